"""The named events in reports: links where they are links, and nothing of a stored result that could be markup."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from loadsim.report import html_page, markdown, terminal
from loadsim.report.blocks import followable
from loadsim.report.run_report import run_report
from tests.report.results import failed, invalid, named_events

LINK = named_events()["slowest"]["response"][0].link


def test_each_is_linked_where_the_format_has_links() -> None:
    report = run_report(failed())
    page = html_page.render(report, None).decode()
    assert f'<a href="{LINK}" rel="noreferrer">' in page
    assert f"](<{LINK}>)" in markdown.render(report)
    text = terminal.render(report)
    assert LINK.split("/")[-1].split("?")[0] in text
    assert "and 2 more, which the other formats show" in text
    assert "≥ 334 ms" in text


def test_results_without_any_have_no_such_sections() -> None:
    anchors = {section.anchor for section in run_report(invalid()).sections}
    assert not anchors & {"slowest", "failing"}


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "https://x.test/> <b>", "https://x.test/a|b", "data:text/html,x", "//x", "http://x\ny"],
)
def test_what_is_no_link_stays_text(link: str) -> None:
    assert not followable(link)
    events = [replace(event, link=link) for event in failed().failing]
    report = run_report(replace(failed(), failing=events, slowest={}))
    assert '<a href="h' not in html_page.render(report, None).decode().partition("<main")[2]
    assert "](<" not in markdown.render(report)
