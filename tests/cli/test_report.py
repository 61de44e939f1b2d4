"""`loadsim report` on files as they are found on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loadsim.measure.generator_limits import dump_limits
from loadsim.measure.result import dump_result
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.measure.stored_json import stored_json
from loadsim.model import LoadsimError, UsageError
from loadsim.report.plotly_script import library
from loadsim.report.report_formats import FORMATS, REPORT_FORMATS, run_files
from loadsim.studies.bench_receiver.result import ReceiverBench
from loadsim.studies.bench_verify.result import VerifyBench
from loadsim.studies.probe.result import ClockResult, ProbeResult, StoredProbe, stored_probe
from loadsim.studies.stored import FILES, KINDS
from tests.builders import run_info, run_result, with_course
from tests.cli.running import report, stored_result
from tests.report.rendering import Stored, render_page, render_summary, render_text
from tests.report.results import pairs, probed, searched


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_bytes(dump_result(stored_result()))
    return tmp_path


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_format_of_a_directory_or_a_file(directory: Path, form: str) -> None:
    done = report(directory, "--format", form)
    assert done.exit_code == 0, done.output
    assert done.stdout_bytes == FORMATS[form].render(stored_result())
    output = directory / "out"
    written = report(directory / "result.json", "-f", form, "-o", output)
    assert (written.exit_code, written.stdout) == (0, "")
    assert output.read_bytes() == done.stdout_bytes


def test_the_default_is_text_without_escapes(directory: Path) -> None:
    done = report(directory)
    assert done.stdout.startswith(" PASS   steady")
    assert "\x1b" not in done.stdout


def test_what_a_run_writes_beside_its_result() -> None:
    assert sorted(run_files(stored_result())) == [
        "junit.xml",
        "percentiles.hgrm",
        "report.html",
        "series.csv",
        "summary.md",
    ]


def test_a_place_that_cannot_be_written_is_one_clear_line(directory: Path) -> None:
    done = report(directory, "-o", directory / "no" / "such" / "file")
    assert isinstance(done.exception, LoadsimError)
    assert "cannot be written" in str(done.exception)


@pytest.mark.parametrize("form", [name for name, form in FORMATS.items() if name != "json"])
def test_a_broken_histogram_is_one_clear_line(tmp_path: Path, form: str) -> None:
    stored = with_course(run_result())
    blob = stored.histograms["response"]
    broken = {"response": [blob[:50], *stored.series_histograms["response"][1:]]}
    cut = msgspec.structs.replace(stored, histograms={"response": blob[:-20]}, series_histograms=broken)
    (tmp_path / "result.json").write_bytes(dump_result(cut))
    done = report(tmp_path, "-f", form)
    if done.exception is None:
        return  # a form that draws no histogram is whole
    assert isinstance(done.exception, UsageError), form
    assert str(tmp_path) in str(done.exception)
    assert "\n" not in str(done.exception)


def test_an_odd_scenario_is_drawn_all_the_same(tmp_path: Path) -> None:
    info = run_info(id="../../x\n\x1b[2J", name="\x1b]0;x\x07\u202e")
    odd = msgspec.structs.replace(info, scenario={"target": "none", "phases": ["a", 3], "name": 7})
    (tmp_path / "result.json").write_bytes(dump_result(with_course(run_result(run=odd))))
    for form in FORMATS:
        done = report(tmp_path, "-f", form)
        assert done.exit_code == 0, (form, done.exception)
        if form != "json":
            assert b"\x1b" not in done.stdout_bytes, form


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[: len(data) // 2], "cut short"),
        (lambda data: data.replace(b"loadsim.result/2", b"loadsim.result/3"), "newer loadsim"),
        (lambda data: data.replace(b"loadsim.result/2", b"somebody.else/1"), "not loadsim.result/2"),
    ],
)
def test_a_truncated_newer_or_foreign_result_is_named(
    directory: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    path = directory / "result.json"
    path.write_bytes(change(path.read_bytes()))
    done = report(directory, "-f", "html", "-o", directory / "report.html")
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)
    assert not (directory / "report.html").exists()


# -- studies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", KINDS)
def test_a_newer_study_is_named(schema: str, tmp_path: Path) -> None:
    path = tmp_path / "capacity.json"
    path.write_text(f'{{"schema": "{schema}0"}}', encoding="utf-8")
    done = report(path)
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == (
        f"{path}: written by a newer loadsim ({schema}0, this one reads {schema}); update loadsim to read it"
    )


def kept_probe(result: ProbeResult | ClockResult) -> StoredProbe:
    return stored_probe(result, probe_id="probe", started_at="2026-05-04T09:10:00Z", ended_at="", version="0.1.0")


def probe_file(result: ProbeResult | ClockResult) -> bytes:
    return stored_json(kept_probe(result))


BENCHMARKS = Path(__file__).parents[2] / "reports" / "benchmarks"
VERIFY, RECEIVER = ((BENCHMARKS / name).read_bytes() for name in ("verify.json", "receiver.json"))
STUDIES: dict[str, tuple[Stored, bytes]] = {
    "capacity.json": (searched(), stored_json(searched())),
    "ab.json": (pairs(slower=1.2), stored_json(pairs(slower=1.2))),
    "probe.json": (kept_probe(probed()), probe_file(probed())),
    "verify.json": (msgspec.json.decode(VERIFY, type=VerifyBench), VERIFY),
    "receiver.json": (msgspec.json.decode(RECEIVER, type=ReceiverBench), RECEIVER),
}


DAMAGES: tuple[object, ...] = (None, "x", -1, [], {}, [None], 1e308)


def test_every_kind_of_study_that_has_a_directory_is_here() -> None:
    assert set(STUDIES) == set(FILES)


@pytest.mark.parametrize("name", STUDIES)
def test_the_directory_of_a_study_is_a_report_in_every_format(tmp_path: Path, name: str) -> None:
    result, data = STUDIES[name]
    (tmp_path / name).write_bytes(data)
    for place in (tmp_path, tmp_path / name):
        assert report(place).stdout == render_text(result)
        assert report(place, "-f", "md").stdout == render_summary(result)
    written = report(tmp_path, "-f", "html", "-o", tmp_path / "page.html")
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "page.html").read_bytes() == render_page(result, library())


@pytest.mark.parametrize("form", [name for name in FORMATS if name not in {*REPORT_FORMATS, "json"}])
def test_a_format_that_a_study_does_not_have_is_one_clear_line(tmp_path: Path, form: str) -> None:
    (tmp_path / "ab.json").write_bytes(STUDIES["ab.json"][1])
    done = report(tmp_path, "-f", form)
    assert isinstance(done.exception, UsageError)
    assert (
        str(done.exception)
        == f"{tmp_path}/ab.json: has the formats text, html, md, json; {form} is for the result of a run"
    )


@pytest.mark.parametrize("name", STUDIES)
def test_a_damaged_study_is_one_clear_line(tmp_path: Path, name: str) -> None:
    document = msgspec.json.decode(STUDIES[name][1], type=dict[str, object])
    for key in document:
        for value in DAMAGES:
            damaged = msgspec.json.encode(document | {key: value})
            (tmp_path / name).write_bytes(damaged)
            done = report(tmp_path)
            if done.exit_code:
                assert isinstance(done.exception, UsageError), (key, value, done.exception)
                assert "\n" not in str(done.exception)
    (tmp_path / name).write_bytes(STUDIES[name][1][:-20])
    assert isinstance(report(tmp_path).exception, UsageError)


def test_the_limits_of_the_generator_are_a_report(tmp_path: Path) -> None:
    limits = GeneratorLimits("2026-05-04T09:10:00Z", 81_250.0, 0.97, 0.068, 0.121, [])
    (tmp_path / "engine-0.json").write_bytes(dump_limits(limits, run_result().environment, "0.1.0"))
    done = report(tmp_path / "engine-0.json")
    assert done.exit_code == 0
    assert "81,250 signed events/s per process" in done.stdout
