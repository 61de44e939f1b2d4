"""The dashboard's pages have their files, and the styles of a report below their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import loadsim
from loadsim.dashboard.answers import STATIC
from loadsim.dashboard.pages import static_file

ROOT = Path(loadsim.__file__).parent
ADDED_TO = {"bad", "cards", "chart", "charts", "chip", "good", "hint", "none", "note", "verdict", "words"}
"""Classes of a report that the dashboard means as the report does, and adds to."""


def styled(path: Path) -> set[str]:
    """The classes that a style sheet names."""
    return set(re.findall(r"\.([a-z][a-z0-9-]*)", re.sub(r"\{[^}]*\}", "{}", path.read_text(encoding="utf-8"))))


def test_a_class_means_one_thing_on_both_kinds_of_page() -> None:
    """A new class of a report must not change how a page of the dashboard is laid out."""
    both = styled(ROOT / "report/page.css") & styled(ROOT / "dashboard/static/dashboard.css")
    assert both <= ADDED_TO


@pytest.mark.parametrize("name", STATIC)
def test_each_file_that_pages_refer_to_is_there(name: str) -> None:
    assert static_file(name)
