"""`loadsim reconcile`, and ledgers of `loadsim run`, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadsim.cli.reconcile import command
from loadsim.events import EventSource
from tests.cli.running import Run
from tests.launch.support import SECRET, SECRET_ENV, endpoint, loadsim, stored

TYPE = "desktop.app_tracking.captured"
EVENTS = 60


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    return Run(monkeypatch, capsys)


async def test_a_run_is_reconciled_with_the_embedded_receiver_and_with_a_file(tmp_path: Path) -> None:
    asked = ("--objective", "lost: count == 0", "--objective", "duplicated: count == 0")
    options = ("-n", str(EVENTS), "-c", "4", "-e", TYPE, "-w", "2", "--outcomes", "-q", *asked)
    done = await loadsim("run", "embedded", *options, cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "Reconciled  joined with the embedded receiver (counts deliveries)" in done.out
    assert "outcomes.bin" in done.out
    result = stored(tmp_path)
    found = result.reconciliation
    assert found is not None
    assert (found.sent, found.delivered, found.lost, found.duplicated, found.never_sent) == (EVENTS, EVENTS, 0, 0, 0)
    assert found.reordered is None  # two processes, each at its own pace

    (directory,) = (tmp_path / "reports").iterdir()
    source = EventSource(TYPE, result.run.seed)
    ids = [source.event_id(index) for index in range(EVENTS)]
    for name, rows, code in (
        ("sound", ids, 0),
        ("lossy", ids[:7] + ids[8:], 99),
        ("eager", [*ids, ids[5]], 99),
    ):
        file = tmp_path / f"{name}.ndjson"
        file.write_text("".join(json.dumps({"order": {"id": text}}) + "\n" for text in rows), encoding="utf-8")
        ended = CliRunner().invoke(command, [str(directory), str(file), "--id", "order.id"])
        assert ended.exit_code == code, ended.output
        assert f"joined with {name}.ndjson" in ended.output
        lost = "1 event answered 2xx, but not in the receiver's ledger (first: index 7)"
        assert (lost in ended.output) == (name == "lossy")
        assert ("more often than expected (first: index 5)" in ended.output) == (name == "eager")
    lossy = str(tmp_path / "lossy.ndjson")
    assert CliRunner().invoke(command, [str(directory), lossy, "--id", "order.id", "--write"]).exit_code == 99
    written = stored(tmp_path).reconciliation
    assert written is not None
    assert (written.lost, written.source) == (1, "lossy.ndjson")


@pytest.mark.slow
async def test_a_ledger_that_cannot_be_read_makes_what_needs_it_invalid(tmp_path: Path) -> None:
    ledger = ("--ledger", "http://127.0.0.1:9/ledger?key=hidden")
    async with endpoint() as served:
        env = {SECRET_ENV: SECRET}
        common = ("run", served.url, "-n", "20", "-q", *ledger)
        done = await loadsim(*common, "--objective", "lost: count == 0", cwd=tmp_path, env=env)
        assert done.code == 3, done.out
        assert (
            "lost is not known, the receiver's ledger could not be read: http://127.0.0.1:9/ledger?key=***:"
            in " ".join(done.out.split())
        )
        done = await loadsim(*common, cwd=tmp_path, env=env)
        assert done.code == 0, done.out
        assert "could not be read" in done.out
        assert "hidden" not in done.out + done.err


def test_an_objective_without_a_ledger_is_refused_before_the_first_event(run: Run, tmp_path: Path) -> None:
    done = run("run", "http://127.0.0.1:9/hook", "--objective", "lost: count == 0")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "needs a receiver's ledger, and none is configured" in done.err
    assert not (tmp_path / "reports").exists()
    scenario = tmp_path / "a.toml"
    scenario.write_text(
        'name = "a"\n[target]\nurl = "http://127.0.0.1:9/"\nledger = "http://127.0.0.1:9/ledger"\n'
        'trace_header = false\n[[phases]]\nname = "p"\nduration = "1s"\nrate = "1/s"\n',
        encoding="utf-8",
    )
    done = run("run", str(scenario))
    assert done.code == 2
    assert "target.ledger: needs trace_header = true" in done.err
    done = run("capacity", "embedded", "--objective", "lost: count == 0")
    assert (done.code, "needs a receiver's ledger" in done.err) == (2, True)


def test_a_run_without_outcomes_says_what_to_do(run: Run, tmp_path: Path) -> None:
    from loadsim.measure.result import dump_result
    from tests.builders import run_result

    (tmp_path / "result.json").write_bytes(dump_result(run_result()))
    (tmp_path / "a.csv").write_text("id\n", encoding="utf-8")
    done = run("reconcile", str(tmp_path), "a.csv", "--id", "id")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "made with --outcomes" in done.err
    (tmp_path / "outcomes.bin").write_bytes(b"nonsense")
    done = run("reconcile", str(tmp_path), "a.csv", "--id", "id")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "outcomes.bin: not the outcomes of a run" in done.err
