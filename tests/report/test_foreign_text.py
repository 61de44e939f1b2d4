"""No text of a stored result steers a terminal, breaks a line, or ends the piece of a document that it stands in."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import msgspec
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hdrh.log import HistogramLogReader  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.report import numbers, terminal
from loadsim.report.github import step_summary, workflow_commands
from loadsim.report.reconciliation import reconcile_report
from loadsim.report.report_formats import FORMATS
from tests.builders import shard
from tests.conftest import slow_but
from tests.report.rendering import render_page, render_summary, render_text, render_verdict
from tests.report.results import aborted, compared, failed, invalid, pairs, retried, searched

EVIL = "EVIL"
CORPUS = (
    f"x\r\n{EVIL}\r::error::{EVIL}\x1b[2J\x1b]0;{EVIL}\x07\x00\x85{EVIL}\u2028{EVIL}\u202e\u200b",
    f'x"\n# EOF\n{EVIL}{{a="b"}} 1\n\n# {EVIL}\n| {EVIL} | <script>{EVIL}</script> ]]> `',
)
OUR_LINKS = {event.link for event in (*failed().slowest["response"], *failed().slowest["service"], *failed().failing)}
"""Those that the unchanged results have."""
WORDS = {
    *("open", "closed", "pass", "fail", "invalid", "none", "unclear", "confirming", "accept", "refuse", "genuine"),
    *("ms", "fraction", "events", "events/s", "better", "worse", "slower", "faster", "unsure", "lower", "higher"),
    *("response", "service", "lag", "wait", "connect", "tls", "first_byte", "sign", "found", "effects", "deliveries"),
}
"""What the shape of a stored result allows these words alone."""


def poisoned(value: Any, text: str) -> Any:
    """The same with `text` in place of every string that may be any."""
    if isinstance(value, str):
        return value if value in WORDS or value.startswith(("p5", "p7", "p9", "loadsim.", "HISTF")) else text
    if isinstance(value, msgspec.Struct):
        fields = {name: poisoned(getattr(value, name), text) for name in value.__struct_fields__}
        return type(value)(**fields)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: poisoned(getattr(value, field.name), text) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, dict):
        keys = [(key, poisoned(key, text)) for key in value]
        return {
            key if key == new else f"{new}{number}": poisoned(value[key], text)
            for number, (key, new) in enumerate(keys)
        }
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(poisoned(item, text) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(poisoned(item, text) for item in value)
    return value


def results(text: str) -> list[RunResult]:
    """One of each kind, with an objective that can be read among those that cannot."""
    everything = msgspec.structs.replace(
        failed(),
        by_case={"genuine": failed().totals, "tampered": failed().totals},
        shards=[shard(0, host="a", clock_ahead_ms=1.0, clock_residual_ms=0.1), shard(1, host="b", reason="gone")],
        reconciliation=Reconciliation(source="x", problem="y"),
        samples=[msgspec.structs.replace(row, error="") for row in failed().samples],
    )
    found = [poisoned(each, text) for each in (everything, invalid(), aborted(), retried())]
    return [*found, reworded(failed(), f"response{{event:{text}}}: p(99) < 1s"), reworded(aborted(), text)]


def reworded(result: RunResult, text: str) -> RunResult:
    """With another text of each objective, all else as it was."""
    rows = [msgspec.structs.replace(row, text=text, passed=False) for row in result.verdict.objectives]
    return msgspec.structs.replace(result, verdict=msgspec.structs.replace(result.verdict, objectives=rows))


def decoded(render: Callable[[RunResult], bytes]) -> Callable[[RunResult], str]:
    return lambda result: render(result).decode()


def documents(text: str) -> dict[str, list[str]]:
    """Every form of every kind of result, by name."""
    forms = {name: decoded(form.render) for name, form in FORMATS.items()}
    forms |= {
        "text": lambda result: render_text(result, width=5_000),
        "verdict": lambda result: render_verdict(result, width=5_000),
        "step summary": lambda result: step_summary(result).decode(),
        "reconciled": lambda result: (
            ""
            if (found := result.reconciliation) is None
            else terminal.render(reconcile_report(result, found), width=5_000)
        ),
        "annotations": lambda result: "\n".join(workflow_commands(result)),
    }
    others = ("json", "k6", "html")  # JSON has rules of its own; a page is dear, and one is enough
    found = results(text)
    made = {name: [render(result) for result in found] for name, render in forms.items() if name not in others}
    made["html"] = [render_page(found[0], None).decode()]
    side, pair, search = poisoned(compared(), text), poisoned(pairs(slower=1.2), text), poisoned(searched(), text)
    made["compare"] = [render_text(side)]
    made["compare md"] = [render_summary(side)]
    made["ab"], made["ab md"] = [render_text(pair)], [render_summary(pair)]
    made["capacity"] = [render_text(search, width=5_000)]
    made["capacity md"] = [render_summary(search)]
    return made


@pytest.fixture(scope="module", params=slow_but([0], range(len(CORPUS))))
def rendered(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    return documents(CORPUS[request.param])


def test_nothing_steers_a_terminal(rendered: dict[str, list[str]]) -> None:
    for name, texts in rendered.items():
        for text in texts:
            shown = text.replace("\r\n", "\n") if name == "csv" else text
            assert {char for char in shown if not char.isprintable()} <= {"\n"}, name


def test_no_line_is_foreign(rendered: dict[str, list[str]]) -> None:
    """What an endpoint said may have several lines; each is indented further than anything of ours."""
    for name, texts in rendered.items():
        if "html" in name:  # where lines mean nothing
            continue
        for text in texts:
            for line in text.splitlines():
                inside = line.strip(" |")
                assert not inside.startswith((EVIL, "#" + EVIL, f"# {EVIL}", "::error::")) or line.startswith(
                    " " * 6
                ), name


def test_annotations_are_one_line_each() -> None:
    for text in CORPUS:
        for result in results(text):
            for line in workflow_commands(result):
                assert line.startswith(("::error title=loadsim ", "::warning title=loadsim ")), line
                assert line.count("::") >= 2
                assert "\n" not in line


def test_the_readers_of_other_programs_still_read(rendered: dict[str, list[str]], tmp_path: Path) -> None:
    for text in rendered["junit"]:
        assert len(fromstring(text)) == 1  # noqa: S314 - our own
    for text in rendered["openmetrics"]:
        families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        assert {family.name for family in families} >= {"loadsim_run", "loadsim_events"}
        assert text.endswith("\n# EOF\n")
    for number, text in enumerate(rendered["hlog"]):
        path = tmp_path / f"{number}.hlog"
        path.write_text(text, encoding="utf-8")
        reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
        while reader.get_next_interval_histogram() is not None:
            pass
        reader.close()


def test_markdown_stays_text(rendered: dict[str, list[str]]) -> None:
    for name in ("md", "step summary", "compare md", "ab md", "capacity md"):
        for text in rendered[name]:
            tokens = MarkdownIt("commonmark").enable("table").parse(text)
            inline = [child for token in tokens for child in token.children or ()]
            assert not {"html_block", "fence", "code_block"} & {token.type for token in tokens}, name
            assert not {"html_inline", "image"} & {token.type for token in inline}, name
            links = [str(token.attrs["href"]) for token in inline if token.type == "link_open"]
            assert all(link in OUR_LINKS for link in links), name
            heads = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
            assert not [head for head in heads if head.startswith(EVIL)], name


@given(st.text() | st.text(alphabet="a\n\r\t\x1b\x00\x85\u2028\u202e\ud800\\", min_size=1))
def test_a_line_stays_a_line(text: str) -> None:
    line = numbers.printable(text)
    assert line.isprintable()
    assert numbers.printable(line) == line, "what was made safe stays as it is"
    lines = numbers.printable(text, lines=True)
    assert all(char.isprintable() or char == "\n" for char in lines)
    html.escape(lines).encode()
