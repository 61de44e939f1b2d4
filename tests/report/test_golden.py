"""Every renderer against a file that somebody has looked at.

`python -m tests.report.test_golden` writes the files again; look at the difference before keeping it.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from loadsim.report.hgrm import render_hgrm
from loadsim.report.junit import render_junit
from loadsim.report.k6_summary import render_k6_summary
from loadsim.report.openmetrics import render_openmetrics
from loadsim.report.page import render_page
from loadsim.report.series_csv import render_series
from loadsim.report.summary import render_summary
from loadsim.report.text import render_text
from tests.report.results import closed, course, failed, invalid, stormed

GOLDEN = Path(__file__).parent / "golden"


@functools.cache
def rendered() -> dict[str, str]:
    """File name → what the renderers make of it now."""
    return {
        "failed-80.txt": render_text(failed(), width=80),
        "failed-120.txt": render_text(failed(), width=120),
        "failed-80-colour.txt": render_text(failed(), width=80, colour=True),
        "invalid-100.txt": render_text(invalid(), width=100),
        "closed-80.txt": render_text(closed(), width=80),
        "storm-100.txt": render_text(stormed(), width=100),
        "storm.md": render_summary(stormed()),
        "failed.md": render_summary(failed()),
        "invalid.md": render_summary(invalid()),
        "failed.hgrm": render_hgrm(failed()),
        "failed.csv": render_series(failed()),
        "failed.xml": render_junit(failed()).decode(),
        "invalid.xml": render_junit(invalid()).decode(),
        "failed.json": render_k6_summary(failed()).decode(),
        "failed.openmetrics": render_openmetrics(failed()),
        "failed.html": render_page(course(), None).decode(),
        "closed.html": render_page(closed(), None).decode(),
    }


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_golden(name: str) -> None:
    assert rendered()[name].encode() == (GOLDEN / name).read_bytes()


def test_every_file_is_rendered() -> None:
    assert set(rendered()) == {path.name for path in GOLDEN.iterdir()}


if __name__ == "__main__":
    for filename, text in rendered().items():
        (GOLDEN / filename).write_bytes(text.encode())
