"""Results are found by the name of their directory, and no name leads anywhere else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadsim.dashboard.result_store import ResultStore
from loadsim.measure.result import RunResult, dump_result
from loadsim.model import UsageError
from loadsim.report.report_formats import FORMATS
from tests.dashboard.support import page
from tests.report.results import closed, course, failed

OTHERS = ["..", ".", "", "../secret", "a/../../secret", "..%2fsecret", "%2e%2e", "link", ".hidden", "a..b", "x\0", "é"]


def kept(out: Path, name: str, result: RunResult, *, day: int = 1) -> None:
    directory = out / name
    directory.mkdir(parents=True)
    run = msgspec.structs.replace(result.run, id=name, started_at=f"2026-05-{day:02}T09:10:00.000Z")
    (directory / "result.json").write_bytes(dump_result(msgspec.structs.replace(result, run=run)))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    kept(tmp_path, "secret", failed())
    reports = tmp_path / "reports"
    kept(reports, "20260501-steady-0001", course(), day=1)
    kept(reports, "20260503-steady-0003", course(), day=3)
    kept(reports, "20260502-closed-0002", closed(), day=2)
    kept(reports, ".hidden", closed())
    (reports / "link").symlink_to(tmp_path / "secret")
    (reports / "20260504-broken").mkdir()
    (reports / "20260504-broken" / "result.json").write_text("{")
    (reports / "benchmarks").mkdir()
    return reports


def test_newest_first_and_what_cannot_be_read_says_why(out: Path) -> None:
    listed, older = ResultStore(out).newest_first()
    names = ["20260503-steady-0003", "20260502-closed-0002", "20260501-steady-0001", "20260504-broken"]
    assert ([each.directory for each in listed], older) == (names, 0)
    assert listed[-1].line is None
    assert "result.json" in listed[-1].problem


def test_a_result_is_read_again_when_it_has_changed_and_forgotten_when_it_is_gone(out: Path) -> None:
    store = ResultStore(out)
    first = store.newest_first()[0]
    assert all(a.line is b.line for a, b in zip(first, store.newest_first()[0], strict=True))
    path = out / "20260502-closed-0002" / "result.json"
    path.write_bytes(dump_result(failed()))
    path.with_name("result.json").touch()
    changed = {each.directory: each for each in store.newest_first()[0]}["20260502-closed-0002"]
    assert changed.line is not None
    assert changed.line.outcome == "fail"
    path.unlink()
    assert "20260502-closed-0002" not in {each.directory for each in store.newest_first()[0]}


@pytest.mark.parametrize("name", OTHERS)
def test_no_id_leads_out_of_the_directory(out: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no such run"):
        ResultStore(out).read(name)


def test_no_results_are_no_failure(tmp_path: Path) -> None:
    assert ResultStore(tmp_path / "nothing").newest_first() == ([], 0)


def test_the_older_of_two_is_the_base(out: Path) -> None:
    compared = ResultStore(out).compare("20260503-steady-0003", "20260501-steady-0001")
    assert compared.base.run.started_at < compared.new.run.started_at


@pytest.mark.parametrize("name", ["..%2fsecret", "%2e%2e%2fsecret", "..%5csecret", "link", "%2e%2e", "%00"])
async def test_no_address_leads_out_of_the_directory(out: Path, name: str) -> None:
    async with page(out) as client:
        for path in (f"/runs/{name}", f"/runs/{name}/json", f"/compare?run={name}&run=20260501-steady-0001"):
            status, text = await client.get(path)
            assert status in (400, 404), path
            assert "p(99)" not in text


async def test_the_pages_of_results(out: Path) -> None:
    async with page(out) as client:
        status, text = await client.get("/runs")
        assert status == 200
        assert text.index("20260503") < text.index("20260502") < text.index("20260501")
        trend = (await client.get(f"/runs?scenario={course().run.name}"))[1]
        assert 'id="chart-trend"' in trend
        status, text = await client.get("/compare?run=20260501-steady-0001&run=20260503-steady-0003")
        assert status == 200
        assert "NEW / BASE" in text
        for query in ("", "?run=20260501-steady-0001", "?run=20260501-steady-0001&run=20260501-steady-0001"):
            assert "choose two runs" in (await client.get(f"/compare{query}"))[1]


async def test_a_report_is_the_same_as_the_file(out: Path) -> None:
    """Section by section; a file to save comes as a download, since it has its scripts in it."""
    async with page(out) as client:
        shown = (await client.get("/runs/20260501-steady-0001"))[1]
        async with client.session.get(
            f"{client.base}/runs/20260501-steady-0001/html", headers={"Cookie": "loadsim_test=a-token-of-this-test"}
        ) as response:
            assert response.headers["Content-Disposition"].startswith("attachment")
            saved = await response.text()
    main = shown.split("<main>")[1].split("</main>")[0]
    assert main == saved.split("<main>")[1].split("</main>")[0]
    assert len(main) > 10_000
    assert all(f"/{form}" in shown for form in FORMATS)
