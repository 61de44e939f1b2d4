"""Files that somebody made up or broke: one line and exit 2, whatever is in them, and no other file suffers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.dashboard.result_store import ResultStore
from loadsim.input_files import LARGEST_TEXT
from loadsim.judge import evaluate, objectives_of, rules_of, texts_of, vocabulary_of
from loadsim.judge.compare import compare_results
from loadsim.measure.histogram_codec import decode
from loadsim.measure.result import RunResult, dump_result, load_result
from loadsim.model import UsageError
from loadsim.plan.typed_document import DEEPEST
from loadsim.report.report_formats import FORMATS
from loadsim.report.trend import run_line
from loadsim.settings import load_config, read_custom
from tests.cli.running import Run
from tests.conftest import slow_but
from tests.dashboard.test_result_store import kept
from tests.report.results import course

NESTED = 5_000
LONG = 300 * "a"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_hidden")
    return Run(monkeypatch, capsys)


@cache
def stored() -> bytes:
    return dump_result(course())


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(stored()), **changes}).encode()


def totals(**changes: object) -> bytes:
    return changed(totals={**json.loads(stored())["totals"], **changes})


def results() -> Iterator[tuple[str, bytes, str]]:
    yield "an invalid byte", stored().replace(b'"name": "', b'"name": "\xff', 1), "result"
    yield "an invalid byte in what we do not know", b'{"schema":"loadsim.result/1","more":"\xff"}', "result"
    yield "nested where we know it", totals(status=0).replace(b'"status": 0', b'"status": ' + NESTED * b"["), "result"
    yield "a version of 5,000 digits", changed(schema="loadsim.result/" + 5_000 * "9"), "newer loadsim"
    yield "a version of other digits", changed(schema="loadsim.result/\u0662"), "its schema is"
    yield "a count below zero", totals(planned=-1), "$.totals.planned"
    yield "a figure below zero", totals(duration_s=-0.5), "$.totals.duration_s"
    yield "a status below zero", totals(status={"200": -3}), "$.totals.status"
    yield (
        "a number of 5,000 digits",
        totals(planned=0).replace(b'"planned": 0', b'"planned": ' + 5_000 * b"9"),
        "result",
    )


RESULTS = list(results())


@pytest.mark.parametrize(("data", "says"), [each[1:] for each in RESULTS], ids=[each[0] for each in RESULTS])
@pytest.mark.parametrize("command", ["report", "judge"])
def test_a_hostile_result_is_one_line(run: Run, tmp_path: Path, command: str, data: bytes, says: str) -> None:
    (tmp_path / "result.json").write_bytes(data)
    done = run(command, "result.json")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert says in done.err
    assert len(done.err) < 1_000


@pytest.mark.parametrize("command", ["report", "judge"])
def test_deep_nesting_where_we_know_nothing_is_refused_or_passed_over(run: Run, tmp_path: Path, command: str) -> None:
    """From Python 3.13 on, decoders may go as deep as they need to, where older ones raise an error."""
    (tmp_path / "good.json").write_bytes(stored())
    nested = changed(more=0).replace(b'"more": 0', b'"more": ' + NESTED * b"[" + NESTED * b"]")
    (tmp_path / "result.json").write_bytes(nested)
    good, done = run(command, "good.json"), run(command, "result.json")
    refused = (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert refused or (done.code, done.out, done.err) == (good.code, good.out, good.err)


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_damaged_histogram_is_one_line_in_every_form(run: Run, tmp_path: Path, form: str) -> None:
    document = json.loads(stored())
    document["histograms"] = dict.fromkeys(document["histograms"], "!")
    document["series_histograms"] = {
        name: ["!" for _ in blobs] for name, blobs in document["series_histograms"].items()
    }
    (tmp_path / "result.json").write_text(json.dumps(document))
    done = run("report", "result.json", "--format", form)
    assert done.code in (0, 2)
    assert done.err.count("\n") == (1 if done.code else 0)


def uses(result: RunResult) -> list[Callable[[], object]]:
    """What is done with a stored result that takes no second."""
    vocabulary = vocabulary_of(result)
    drawn = [form.render for name, form in FORMATS.items() if name != "html"]
    return [
        lambda: run_line(result),
        lambda: evaluate(result, objectives_of(texts_of(result), vocabulary), rules_of(result)),
        lambda: compare_results(course(), result, ()),
        *(lambda render=render: render(result) for render in drawn),
    ]


@contextlib.contextmanager
def refused_in_one_line() -> Iterator[None]:
    """Whatever is done in it either works or is a UsageError of one line."""
    said = ""
    try:
        yield
    except UsageError as error:
        said = str(error)
    assert "\n" not in said


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node[:3]) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


NUMBERS = (-1, 0, 10**18, 10**25, -0.5, 1e308, 5e-324, 2**63)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [*NUMBERS, "", "\0", "a\nb", "-1", "!", 5_000 * "x", None, True, [], {}, [[]]]
)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_any_change_of_a_result_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    document = json.loads(stored())
    path = data.draw(st.sampled_from(sorted(places(document), key=str)))
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = data.draw(ODD)
    with refused_in_one_line():
        result = load_result(json.dumps(document).encode(), "result.json")
        for use in uses(result):
            use()


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"[" * NESTED + tail))
def test_any_bytes_are_a_result_or_one_line(data: bytes) -> None:
    with pytest.raises(UsageError) as raised:
        load_result(data, "result.json")
    assert "\n" not in str(raised.value)


@given(st.data())
def test_any_text_is_a_histogram_or_damaged(data: st.DataObject) -> None:
    blob = json.loads(stored())["histograms"]["response"]
    place = data.draw(st.integers(0, len(blob) - 1))
    text = blob[:place] + data.draw(st.text(max_size=4)) + blob[place + data.draw(st.integers(0, 4)) :]
    with refused_in_one_line():
        decode(text)


def test_one_bad_result_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path, "20260501-good", course())
    for number, (_, data, _) in enumerate(RESULTS):
        (tmp_path / f"20260502-bad-{number}").mkdir()
        (tmp_path / f"20260502-bad-{number}" / "result.json").write_bytes(data)
    listed, _ = ResultStore(tmp_path).newest_first()
    assert [each.directory for each in listed if each.line] == ["20260501-good"]
    assert all(each.problem for each in listed[1:])
    assert len(listed) == 1 + len(RESULTS)

    def unforeseen(result: RunResult) -> None:
        raise KeyError(result.run.id)

    monkeypatch.setattr("loadsim.dashboard.result_store.run_line", unforeseen)
    (listed, _), shown = (
        ResultStore(tmp_path).newest_first(),
        f"{tmp_path}/20260501-good/result.json: cannot be listed: ",
    )
    assert any(each.problem.startswith(shown) for each in listed)


TOML = {
    "nested lists": f"x = {NESTED * '['}{NESTED * ']'}",
    "nested tables": f"x = {NESTED * '{a='}1{NESTED * '}'}",
    "dotted keys": f"{'.'.join(NESTED * 'a')} = 1",
    "nested a little too deeply": f"x = {(DEEPEST + 1) * '['}{(DEEPEST + 1) * ']'}",
    "a number of 5,000 digits": f"x = {5_000 * '9'}",
    "cut short": "x = [",
}


@pytest.mark.parametrize("text", TOML.values(), ids=TOML)
def test_a_hostile_document_is_one_line_wherever_it_is_read(run: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "hostile.toml"
    path.write_text(text)
    done = run("run", "hostile.toml", "--check")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "hostile.toml: n" in done.err  # "not TOML" or "nested more than"
    (tmp_path / "loadsim.toml").write_text(text)
    for reading in (lambda: read_custom(path), lambda: load_config(tmp_path)):
        with pytest.raises(UsageError, match=r"not TOML|nested more than") as raised:
            reading()
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", slow_but([LONG], [LONG, f"{LONG}.toml", "\udcff.toml", "/dev/zero", "/dev/null"]))
@pytest.mark.parametrize(
    "command",
    [
        ("report", "NAME"),
        ("compare", "NAME", "NAME"),
        ("reconcile", "NAME", "NAME", "--id", "x"),
        ("run", "http://127.0.0.1:9/", "--check", "--secret-file", "NAME"),
        ("run", "http://127.0.0.1:9/", "--check", "--payload", "NAME"),
        ("run", "http://127.0.0.1:9/", "--check", "--cacert", "NAME"),
        ("run", "http://127.0.0.1:9/", "--check", "--cluster", "tls://127.0.0.1:9", "--cluster-ca", "NAME"),
        ("run", "NAME", "--check"),
        ("simulate", "http://127.0.0.1:9/", "--payload", "NAME"),
        ("schemes", "verify", "github", "--headers", "NAME", "--body-file", "NAME"),
        ("bench", "verify", "--custom", "NAME"),
    ],
    ids=lambda command: " ".join(command)[:60],
)
def test_a_name_that_no_file_can_have_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    monkeypatch.setattr("loadsim.input_files.LARGEST_FILE", LARGEST_TEXT)
    done = run(*(name if word == "NAME" else word for word in command))
    assert done.err.count("\n") == (0 if done.code == 0 else 1)
    assert done.code in (0, 1, 2), done.err
