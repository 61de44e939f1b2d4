"""Comparisons by pairs: order, warm-up, what is kept, and how they end, over runs that are made up."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.judge.slowdown_gates import parse_gates
from loadsim.launch.result_files import run_directory
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Totals
from loadsim.measure.result_generator import SecondLook
from loadsim.model import NS_PER_S, Secret, UnreachableError
from loadsim.plan import EventMix, Phase, RunSpec, Scenario, Target
from loadsim.plan.scenario import ValidityRules
from loadsim.run.run_store_judge import LoadOutcome, Watch
from loadsim.studies.ab import procedure as ab
from loadsim.studies.ab.report import ab_report
from loadsim.studies.ab.result import AbResult
from tests.builders import refused, run_info, run_result, stats, totals

SLOW = "http://127.0.0.1:2/slow"
FAST = "http://user:secret@127.0.0.1:1/fast?token=secret"


def scenario(url: str) -> Scenario:
    phases = (Phase(name="load", duration=2 * NS_PER_S, rate=Fraction(100)),)
    return Scenario(name="pairs", target=Target(url=url), phases=phases, events=(EventMix(type="x"),))


def request(tmp_path: Path, b: str = SLOW, *, same: bool = False, fail: tuple[str, ...] = ()) -> ab.AbRequest:
    side_a, side_b = (
        RunSpec(scenario=scenario(url), seed=100, secret=Secret("s"), out=tmp_path / "elsewhere") for url in (FAST, b)
    )
    return ab.AbRequest(
        a=side_a,
        b=side_a if same else side_b,
        gates=parse_gates(fail),
        pairs=7,
        seed=5,
        same=same,
        warm_up_ns=NS_PER_S,
        out=tmp_path,
    )


class Runs:
    """Stands for `run_load`: results whose p99 wavers by 3 %, the slow target's being 30 % higher."""

    def __init__(self) -> None:
        self.made: list[RunSpec] = []
        self.broken: dict[int, RunResult | Exception] = {}
        self._noise = np.random.default_rng(3)

    async def __call__(self, load: RunSpec, watch: Watch) -> LoadOutcome:
        self.made.append(load)
        scale = 1.3 if load.scenario.target.url == SLOW else 1.0
        scale *= float(np.exp(self._noise.normal(0, 0.03)))
        latency = totals().latency_ms | {"response": stats(4 * scale)}
        result = self.broken.get(len(self.made), judged(totals(latency_ms=latency)))
        if isinstance(result, Exception):
            raise result
        directory = run_directory(load.out, f"run-{len(self.made)}")
        return LoadOutcome(result, directory, ())


def judged(whole: Totals, disturbed: int = 0, shortage: str = "") -> RunResult:
    result = run_result(totals=whole, by_case={"genuine": whole}, run=run_info(scenario={}))
    result = msgspec.structs.replace(
        result,
        limits=msgspec.structs.replace(result.limits, shortage=shortage, longest_pause_s=0.2),
        second_look=SecondLook({}, {"response": disturbed}, {}),
    )
    return evaluate(result, objectives_of(["success: rate > 90%"], vocabulary_of(result)), ValidityRules())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(ab, "run_load", made)
    return made


def compared(asked: ab.AbRequest) -> tuple[AbResult, Path]:
    outcome = asyncio.run(ab.AbComparison(asked, lambda _: None).execute())
    return outcome.result, outcome.directory


def test_a_slower_target_is_found_and_everything_is_kept(tmp_path: Path, runs: Runs) -> None:
    result, directory = compared(request(tmp_path))
    assert (result.ending, [row.outcome for row in result.gates]) == ("fail", ["slower"])
    assert result.gates[0].ratio == pytest.approx(1.3, abs=0.05)
    assert [pair.number for pair in result.pairs] == list(range(1, 8))
    stored = json.loads((directory / "ab.json").read_bytes())
    assert msgspec.convert(stored, AbResult) == result
    assert all((directory / pair[side]["run"]).is_dir() for pair in stored["pairs"] for side in "ab")
    assert (directory / "summary.md").read_text().startswith("# ❌ FAIL: pairs\n\nB is worse than A")
    assert "secret" not in (directory / "ab.json").read_text()


def test_pairs_are_interleaved_in_a_random_order_that_the_seed_decides(tmp_path: Path, runs: Runs) -> None:
    result, _ = compared(request(tmp_path))
    urls = [load.scenario.target.url for load in runs.made]
    assert all({urls[i], urls[i + 1]} == {FAST, SLOW} for i in range(0, 14, 2))
    firsts = [pair.first for pair in result.pairs]
    assert set(firsts) == {"a", "b"}
    assert firsts == ["a" if url == FAST else "b" for url in urls[::2]]
    again, _ = compared(request(tmp_path))
    assert [pair.first for pair in again.pairs] == firsts


def test_no_two_runs_send_the_same_events_and_all_are_warmed_up(tmp_path: Path, runs: Runs) -> None:
    compared(request(tmp_path))
    assert len({load.seed for load in runs.made}) == 14
    for load in runs.made:
        warm_up, phase = load.scenario.phases
        assert (warm_up.record, warm_up.duration, warm_up.rate) == (False, NS_PER_S, phase.rate)
        assert phase.record
        assert not load.drawn


def test_a_target_against_itself_tells_what_the_machine_is_worth(tmp_path: Path, runs: Runs) -> None:
    result, _ = compared(request(tmp_path, same=True, fail=("p50:5%", "p99:5%")))
    assert (result.ending, result.same) == ("pass", True)
    assert [check.label for check in result.checks] == ["p50", "p99"]
    assert all(check.noise < 0.1 and check.alarms <= 0.05 for check in result.checks)


def test_an_invalid_run_ends_the_comparison(tmp_path: Path, runs: Runs) -> None:
    runs.broken[3] = judged(totals(), shortage="3 of 5 connections could be opened")
    result, directory = compared(request(tmp_path))
    assert (result.ending, len(runs.made)) == ("invalid", 3)
    assert "3 of 5 connections" in result.reasons[0]
    assert (directory / "ab.json").exists()
    assert result.pairs[-1].a is None or result.pairs[-1].b is None


def test_a_pair_with_a_disturbed_generator_is_run_again(tmp_path: Path, runs: Runs) -> None:
    runs.broken[3] = judged(totals(), disturbed=30_000)
    said: list[str] = []
    asked = request(tmp_path)
    result = asyncio.run(ab.AbComparison(asked, said.append, said.append).execute()).result
    assert result.ending == "fail", "the slower one is found"
    assert [pair.number for pair in result.pairs] == list(range(1, 8))
    assert [pair.number for pair in result.repeated] == [2]
    assert len(runs.made) == 16
    assert len({spec.seed for spec in runs.made}) == 16
    why = "pauses of the generator, up to 200 ms, disturbed 30,000 of 60,000 events"
    assert f"pair 2 is run again: {why}" in said
    assert "1 pair run again because the generator was disturbed" in " ".join(ab_report(result).about)


def test_disturbed_pairs_are_run_again_at_most_as_often_as_there_are_pairs(tmp_path: Path, runs: Runs) -> None:
    runs.broken = {number: judged(totals(), disturbed=30_000) for number in range(1, 100)}
    result, _ = compared(request(tmp_path))
    assert (len(result.pairs), len(result.repeated)) == (7, 7)
    assert len(runs.made) == 28


def test_too_few_samples_are_invalid(tmp_path: Path, runs: Runs) -> None:
    runs.broken[1] = judged(totals(200, latency_ms={"response": stats(4.0, 200)}))
    result, _ = compared(request(tmp_path))
    assert result.ending == "invalid"
    assert result.reasons[0].endswith("too few samples for p99:5% (200 answers)")


def test_fast_refusals_are_a_regression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Runs) -> None:
    async def answer(load: RunSpec, watch: Watch) -> LoadOutcome:
        outcome = await runs(load, watch)
        wrong = load.scenario.target.url == SLOW
        return LoadOutcome(judged(refused()) if wrong else judged(totals()), outcome.directory, ())

    monkeypatch.setattr(ab, "run_load", answer)
    result, _ = compared(request(tmp_path))
    assert (result.ending, result.reasons) == ("fail", ["B failed its objectives in 7 of 7 runs, A in 0"])


def test_an_endpoint_that_goes_away_leaves_what_was_learned(tmp_path: Path, runs: Runs) -> None:
    runs.broken[4] = UnreachableError("refused")
    with pytest.raises(UnreachableError):
        compared(request(tmp_path))
    (stored,) = tmp_path.glob("*/ab.json")
    assert json.loads(stored.read_bytes())["ending"] == "interrupted"


def test_nothing_is_left_of_a_comparison_without_a_run(tmp_path: Path, runs: Runs) -> None:
    runs.broken[1] = UnreachableError("refused")
    with pytest.raises(UnreachableError):
        compared(request(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_interrupted_comparisons_make_no_other_run(tmp_path: Path, runs: Runs) -> None:
    comparison = ab.AbComparison(
        request(tmp_path), lambda _: None, lambda line: comparison.interrupt() if "pair 3" in line else None
    )
    result = asyncio.run(comparison.execute()).result
    assert (result.ending, len(runs.made)) == ("interrupted", 5)
    assert result.reasons == ["2 of 7 pairs were made"]


@pytest.mark.parametrize(
    ("phases", "names"),
    [
        ((Phase(name="x", duration=1, connections=3),), ["warm-up", "x"]),
        ((Phase(name="warm-up", duration=1, from_=Fraction(0), to=Fraction(9)),), ["warm-up'", "warm-up"]),
        (
            (Phase(name="x", duration=1, connections=3, record=False), Phase(name="y", events=1, connections=3)),
            ["x", "y"],
        ),
        ((Phase(name="x", duration=1, arrivals="recorded"),), ["x"]),
    ],
)
def test_warm_up_is_put_before_what_has_none(phases: tuple[Phase, ...], names: list[str]) -> None:
    given = msgspec.structs.replace(scenario(FAST), phases=phases)
    warmed = ab.with_warm_up(given, NS_PER_S)
    assert [phase.name for phase in warmed.phases] == names
    assert warmed.phases[0].connections == phases[0].connections
    assert ab.with_warm_up(given, 0) is given
