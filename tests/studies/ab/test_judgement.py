"""Pairs of runs: the exact test against brute force, its error rates by simulation, and what a gate's text may say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.judge.slowdown_gates import Gate, parse_gate, parse_gates
from loadsim.model import UsageError
from loadsim.studies.ab.judgement import Comparison, compare_pairs, holm, self_check, sign_flip_p
from tests.builders import run_result

P99 = parse_gate("p99:5%")
P50 = parse_gate("p50:5%")
NOISE = 0.08
"""Standard deviation between two runs of one build, as a share."""


def pairs(seed: int, slowdown: float = 0.0, n: int = 7, noise: float = NOISE) -> list[tuple[float, float]]:
    """So many pairs of runs whose p99 wavers log-normally around 10 ms, B's being slower by a share."""
    generator = np.random.default_rng(seed)
    a = 10 * np.exp(generator.normal(0, noise / math.sqrt(2), n))
    b = 10 * (1 + slowdown) * np.exp(generator.normal(0, noise / math.sqrt(2), n))
    return list(zip(a.tolist(), b.tolist(), strict=True))


def judged(rows: list[tuple[float, float]], gate: Gate = P99) -> Comparison:
    return compare_pairs({gate: rows})[0]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_the_sign_flip_test_counts_every_pattern(differences: list[float]) -> None:
    patterns = itertools.product((-1, 1), repeat=len(differences))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in patterns]
    expected = sum(total >= sum(differences) - 1e-9 for total in sums) / len(sums)
    found = sign_flip_p(np.array(differences))
    least = sum(total >= sum(differences) + 1e-9 for total in sums) / len(sums)
    assert least <= found <= expected


def test_the_least_p_is_one_pattern_of_all() -> None:
    assert sign_flip_p(np.full(7, 0.1)) == 1 / 128
    assert sign_flip_p(np.full(7, -0.1)) == 1
    assert sign_flip_p(np.array([0.0])) == 1


def test_holm_against_its_published_example() -> None:
    # Holm's procedure as worked in R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0]


def test_few_pairs_have_their_range_as_the_interval() -> None:
    one = judged([(100.0, 110.0), (100.0, 120.0), (100.0, 130.0)])
    assert one.interval == pytest.approx((1.1, 1.3))


def test_hardly_any_false_alarm_over_2000_comparisons_of_a_thing_with_itself() -> None:
    alarms = sum(judged(pairs(seed)).outcome == "slower" for seed in range(2_000))
    assert alarms / 2_000 <= 0.055


def test_without_a_least_effect_the_test_itself_holds_its_level() -> None:
    gate = parse_gate("p99:0%")
    alarms = sum(judged(pairs(seed), gate).outcome == "slower" for seed in range(2_000))
    assert 0.02 < alarms / 2_000 <= 0.055, "neither deaf nor crying wolf"


def test_several_gates_do_not_add_up_their_alarms() -> None:
    gates = [parse_gate(f"{figure}:0%") for figure in ("p50", "p90", "p99", "max")]
    alarms = 0
    for seed in range(1_000):
        found = compare_pairs({gate: pairs(seed * 10 + number) for number, gate in enumerate(gates)})
        alarms += any(row.outcome == "slower" for row in found)
    assert alarms / 1_000 <= 0.055


def test_a_slowdown_of_a_fifth_is_found() -> None:
    found = sum(judged(pairs(seed, 0.2)).outcome == "slower" for seed in range(500))
    assert found / 500 >= 0.9


def test_a_sure_but_small_difference_is_no_failure() -> None:
    rows = pairs(1, 0.02, noise=0.002)
    row = judged(rows)
    assert (row.p_adjusted <= 0.05, row.outcome) == (True, "none")
    assert judged(rows, parse_gate("p99:1%")).outcome == "slower"


def test_faster_is_news_and_no_failure() -> None:
    row = judged(pairs(3, -0.4))
    assert (row.outcome, row.p) == ("faster", 1.0)


def test_a_comparison_says_what_it_saw() -> None:
    row = judged([(10.0, 11.0), (10.0, 12.0), (10.0, 13.0), (10.0, 11.5), (10.0, 12.5), (10.0, 14.0), (10.0, 9.0)])
    assert row.ratio == pytest.approx(1.2)
    assert row.interval == pytest.approx((0.9, 1.4))
    assert row.p == 3 / 128, "the pattern itself, all up, and the only loss swapped with the least gain"
    assert row.outcome == "slower"


def test_a_self_check_tells_alarms_and_what_can_be_found() -> None:
    (quiet,) = self_check({P99: pairs(1, noise=0.01)})
    (loud,) = self_check({P99: pairs(1, noise=0.3)})
    assert quiet.alarms == 0, "noise of 1 % never reaches an effect of 5 %"
    assert 0 < loud.alarms <= 0.055
    assert loud.detectable is not None
    assert quiet.detectable is not None
    assert quiet.noise < 0.02 < 0.1 < loud.noise
    assert quiet.detectable == pytest.approx(0.06, abs=0.02)
    assert loud.detectable > 2 * quiet.detectable


def test_noise_beyond_measure_finds_nothing() -> None:
    (check,) = self_check({P99: [(1.0, 50.0), (50.0, 1.0)] * 4})
    assert check.detectable is None


@pytest.mark.parametrize(
    ("text", "metric", "figure", "effect", "label"),
    [
        ("p99:5%", "response", "p99", 0.05, "p99"),
        ("p99.9 : 2.5 %", "response", "p99_9", 0.025, "p99.9"),
        ("service.med:10%", "service", "p50", 0.1, "service p50"),
        ("avg:0%", "response", "mean", 0.0, "mean"),
    ],
)
def test_gates(text: str, metric: str, figure: str, effect: float, label: str) -> None:
    gate = parse_gate(text)
    assert (gate.metric, gate.figure, gate.effect, gate.label) == (metric, figure, effect, label)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p99", "such as p99:5%"),
        ("p99:5", "such as p99:5%"),
        ("p98:5%", "unknown figure 'p98', did you mean \"p99\"?"),
        ("servce.p99:5%", "unknown metric 'servce', did you mean \"service\"?"),
        ("p99:2000%", "never be reached"),
        ("p99:-5%", "such as p99:5%"),
    ],
)
def test_bad_gates_are_one_line(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_figure_has_one_gate() -> None:
    assert parse_gates([]) == (P99,)
    assert parse_gates(["p99:5%", "p50:5%"]) == (P99, P50)
    with pytest.raises(UsageError, match="has a gate already"):
        parse_gates(["p50:5%", "med:10%"])


def test_a_gate_finds_its_figure() -> None:
    assert P99.of(run_result()) == 44.0
    assert parse_gate("service.p50:1%").of(run_result()) == 3.1
