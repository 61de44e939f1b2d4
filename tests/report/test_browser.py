"""The page in a real browser: charts drawn, no request, no error; light, dark and on paper, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from loadsim.report import plotly_script
from loadsim.report.html_page import charts_of
from tests.conftest import slow_but
from tests.report.rendering import Stored, render_page, report_of
from tests.report.results import closed, course
from tests.report.test_html_page import WITH_CHARTS, hostile

pytestmark = pytest.mark.needs("chromium")

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(24, 32, 40)"
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)


class Watched:
    """A page and everything that went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path) -> None:
        """Load the page; only the file itself, and data within it, may be asked for."""
        self.page.goto(path.as_uri())
        self.requests = [
            url for url in self.requests if url != path.as_uri() and not url.startswith(("data:", "blob:"))
        ]

    def drawn(self) -> list[str]:
        """The charts that hold marks."""
        expect(self.page.locator(".chart:not([data-drawn])")).to_have_count(0)
        found: list[str] = self.page.evaluate(
            """[...document.querySelectorAll('.chart')]
                .filter(c => c.querySelector('.scatterlayer .trace path, .heatmaplayer image, .barlayer path')
                             && c.getBoundingClientRect().height > 200)
                .map(c => c.id)"""
        )
        return found


def written(tmp_path: Path, result: Stored, *, library: bool = True) -> Path:
    path = tmp_path / "report.html"
    path.write_bytes(render_page(result, plotly_script.library() if library else None))
    return path


ALL = [f"chart-{name}" for name in ("latency", "percentiles", "histogram", "rates", "in-flight", "so-far", "heat")]


@pytest.mark.parametrize("scheme", slow_but(["light"], ["light", "dark"]))
@pytest.mark.parametrize("size", slow_but([WIDE], [WIDE, NARROW]), ids=["1280", "390"])
def test_charts_are_drawn(browser: Browser, tmp_path: Path, scheme: str, size: ViewportSize) -> None:
    context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light", offline=True)
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, course()))
    assert watched.drawn() == ALL
    page = watched.page
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"], "the page itself never scrolls aside"
    expect(page.locator(".chart .main-svg").first).to_have_css("background-color", DARK if scheme == "dark" else LIGHT)
    assert page.locator("figure + details[open]").count() == 0, "a drawn chart closes its table"
    assert (watched.problems, watched.requests) == ([], [])
    context.close()


@pytest.mark.slow
@pytest.mark.long
def test_a_change_of_colours_redraws_and_paper_is_light(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, course()))
    watched.drawn()
    page = watched.page
    ground = page.locator(".chart .main-svg").first
    page.emulate_media(color_scheme="dark")
    expect(ground).to_have_css("background-color", DARK)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(ground).to_have_css("background-color", LIGHT)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(ground).to_have_css("background-color", DARK)
    assert len(page.pdf()) > 20_000
    assert (watched.problems, watched.requests) == ([], [])
    context.close()


def test_an_attack_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE)
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, hostile()))
    assert watched.drawn() == ALL
    assert watched.page.locator("img").count() == 0
    assert (watched.problems, watched.requests) == ([], [])
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [make if make in (course, hostile) else pytest.param(make, marks=pytest.mark.long) for make in WITH_CHARTS]
)
def test_every_kind_of_page_draws_its_charts(browser: Browser, tmp_path: Path, make: Callable[[], Stored]) -> None:
    context = browser.new_context(viewport=WIDE, offline=True)
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, make()))
    assert watched.drawn() == [f"chart-{chart.name}" for chart in charts_of(report_of(make()))]
    assert (watched.problems, watched.requests) == ([], [])
    context.close()


def test_a_script_that_is_not_the_pages_own_does_not_run(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, course())
    path.write_bytes(path.read_bytes().replace(b"<main>", b"<main><script>document.title = 'owned'</script>", 1))
    context = browser.new_context(viewport=WIDE)
    watched = Watched(context.new_page())
    watched.open(path)
    assert watched.drawn() == ALL
    assert watched.page.title() != "owned"
    (refused,) = watched.problems
    assert "Content Security Policy" in refused
    context.close()


def test_a_browser_that_cannot_unpack_says_so_and_shows_the_tables(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE)
    watched = Watched(context.new_page())
    watched.page.add_init_script("delete globalThis.DecompressionStream")
    watched.open(written(tmp_path, course()))
    expect(watched.page.get_by_role("status")).to_contain_text("There are no charts: this browser is too old")
    assert watched.page.locator("figure + details[open] table").count() == len(ALL)
    assert not watched.page.locator(".chart").first.is_visible()
    assert watched.problems == []
    context.close()


@pytest.mark.slow
def test_without_scripts_every_table_is_open(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE, java_script_enabled=False)
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, course()))
    page = watched.page
    assert page.locator("figure + details[open] table").count() == len(ALL)
    assert page.locator("figure + details table").first.is_visible()
    assert not page.locator(".chart").first.is_visible()
    context.close()


def hints(page: Page) -> list[tuple[bool, bool]]:
    """Of every visible table: whether it overflows, and whether it says that it scrolls."""
    found: list[list[bool]] = page.evaluate(
        """[...document.querySelectorAll('.scroll')].filter(box => box.checkVisibility()).map(box => {
            const hint = getComputedStyle(box, '::before');
            return [box.scrollWidth > box.clientWidth, hint.visibility === 'visible' && parseFloat(hint.height) > 10];
        })"""
    )
    return [(overflows, says) for overflows, says in found]


def test_a_table_that_overflows_says_so(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, course(), library=False)
    for size in (WIDE, NARROW):
        context = browser.new_context(viewport=size)
        page = context.new_page()
        page.goto(path.as_uri())
        seen = hints(page)
        assert all(overflows == says for overflows, says in seen)
        assert any(overflows for overflows, _ in seen) or size is WIDE
        assert not all(overflows for overflows, _ in seen)
        context.close()


def test_the_first_screen_shows_verdict_objectives_and_latency(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE)
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, course()))
    watched.drawn()
    ends: list[float] = watched.page.evaluate(
        """['.outcome', '.cards', '#objectives', '#chart-latency .nsewdrag'].map(
            place => document.querySelector(place).getBoundingClientRect().bottom)"""
    )
    assert ends == sorted(ends), "in this order"
    assert 0 < ends[-1] <= WIDE["height"]
    context.close()


@pytest.mark.slow
def test_the_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE)
    watched = Watched(context.new_page())
    watched.open(written(tmp_path, closed(), library=False))
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#objectives"
    unreachable = page.evaluate(
        "[...document.querySelectorAll('.scroll, summary, a')].filter(e => e.tabIndex < 0).length"
    )
    assert unreachable == 0
    context.close()


@pytest.mark.slow
def test_the_words_have_contrast(browser: Browser, tmp_path: Path) -> None:
    """WCAG AA (4.5) for ink, muted text and every verdict colour on its ground."""
    pairs = [("ink", "card"), ("muted", "card"), ("muted", "head"), ("accent", "page")]
    pairs += [(name, f"{name}-soft") for name in ("good", "bad", "warn", "none")]
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
        page = context.new_page()
        page.goto(written(tmp_path, closed(), library=False).as_uri())
        for fore, ground in pairs:
            ratio = contrast(*(page.evaluate(VARIABLE, name) for name in (fore, ground)))
            assert ratio >= 4.5, (scheme, fore, ground)
        context.close()


VARIABLE = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()"


def contrast(fore: str, ground: str) -> float:
    high, low = sorted((luminance(fore), luminance(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
