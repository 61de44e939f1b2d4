"""The page as a person uses it, in a real browser: the command serves it, a real receiver answers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import Browser, BrowserContext, Route, ViewportSize, expect

from tests.cli.loopback import serving
from tests.conftest import slow_but

pytestmark = pytest.mark.needs("chromium")

APP, ACTIVITY = "desktop.app_tracking.captured", "desktop.activity_tracking.captured"
SECRETS = {"GOOD": "whsec_good_hidden", "BAD": "whsec_bad_hidden"}
ATTACK = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


async def attacking(request: web.Request) -> web.Response:
    return web.Response(text=ATTACK, content_type="text/html", headers={"X-Attack": ATTACK})


@contextlib.contextmanager
def started(cwd: Path, *arguments: str) -> Iterator[str]:
    """A command that keeps running, as its first line of stderr tells it; stopped as Ctrl-C would."""
    command = [sys.executable, "-m", "loadsim", *arguments]
    env = os.environ | SECRETS  # noqa: TID251 - handed on
    process = subprocess.Popen(command, cwd=cwd, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    rest: list[str] = []
    drain = threading.Thread(target=lambda: rest.append(process.stderr.read() if process.stderr else ""))
    drain.start()
    try:
        yield first
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
        drain.join()
        process.stderr.close()
    assert (code, [line for line in rest if "Traceback" in line]) == (0, [])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is, with its token, over four endpoints: one that accepts, one with another secret, one that is
    down, one that attacks."""
    cwd = tmp_path_factory.mktemp("dashboard")
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(
            started(cwd, "receive", "--port", "0", "--admin", "127.0.0.1:0", "--secret-env", "GOOD")
        )
        url = re.search(r"http://\S+", said)
        attack = stack.enter_context(serving(attacking))
        assert url, said
        endpoints = {
            "good": (url[0], "GOOD", f'events = ["{APP}", "{ACTIVITY}"]'),
            "wrong": (url[0], "BAD", ""),
            "down": ("http://127.0.0.1:1/hooks", "GOOD", ""),
            "attack": (f"{attack}/hooks", "GOOD", ""),
        }
        text = "\n".join(
            f'[endpoints.{name}]\nurl = "{url}"\nsecret_env = "{secret}"\n{events}'
            for name, (url, secret, events) in endpoints.items()
        )
        (cwd / "loadsim.toml").write_text(text)
        said = stack.enter_context(started(cwd, "dashboard", "--port", "0", "--no-browser"))
        found = re.search(r"http://\S+", said)
        assert found, said
        yield found[0]


class User:
    """A page and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page = context.new_page()
        self.base = address.split("/?", maxsplit=1)[0]
        self.problems: list[str] = []
        self.elsewhere: list[str] = []
        self.seen: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.goto(address)

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.base}/", "data:", "blob:")):
            self.elsewhere.append(url)

    def send(self, endpoint: str, event: str = APP) -> None:
        """Choose and press."""
        before = self.page.locator("#history tr").count()
        self.page.get_by_label("Webhook endpoint").select_option(endpoint)
        self.page.get_by_label("Event type").select_option(event)
        expect(self.page.get_by_label("Payload", exact=True)).to_have_value(re.compile(event))
        self.page.get_by_role("button", name="Send Test Event").click()
        expect(self.page.locator("#history tr")).to_have_count(before + 1)

    def field(self, name: str) -> str:
        """What one field of the result panel says."""
        return self.page.locator(f"#panel [data-field={name}]").inner_text()

    def well(self, *, refused: int = 0) -> None:
        """Nothing went wrong, nothing was asked of other hosts, no secret came here. The browser notes refusals."""
        others = [text for text in self.problems if "status of 400 (Bad Request)" not in text]
        assert (others, self.elsewhere) == ([], [])
        assert len(self.problems) == refused
        content = self.page.content()
        assert not any(secret in content for secret in SECRETS.values())


@pytest.fixture
def user(browser: Browser, address: str) -> Iterator[User]:
    context = browser.new_context(viewport=ViewportSize(width=1280, height=900), color_scheme="light")
    yield User(context, address)
    context.close()


def test_a_first_event_from_the_address_to_the_panel(user: User) -> None:
    page = user.page
    assert page.url == f"{user.base}/", "the token has left the address bar"
    assert "token" not in page.evaluate("document.cookie + location.href")
    assert page.get_by_label("Event type").locator("option").all_inner_texts() == [APP, ACTIVITY], (
        "registered ones only"
    )
    user.send("good", ACTIVITY)
    assert (user.field("status"), user.field("result")) == ("200 OK", "Delivered")
    assert re.fullmatch(r"[\d.,]+ (µs|ms|s)", user.field("latency"))
    assert "X-Webhook-Signature" in user.field("headers")
    assert "X-Webhook-Timestamp" in user.field("headers")
    assert user.field("payload").startswith(f'{{"event":"{ACTIVITY}","version":"v1"')
    assert user.field("response")
    assert page.locator("#announcement").inner_text() == "delivered: 200"
    user.well()


@pytest.mark.slow
def test_a_wrong_secret_and_an_endpoint_that_is_down_are_told_with_what_to_do(user: User) -> None:
    user.send("wrong")
    assert (user.field("status"), user.field("result")) == ("401 Unauthorized", "Failed")
    assert "does not match the secret shown on the webhook" in user.field("diagnosis")
    assert "Invalid signature" in user.field("response")
    user.send("down")
    assert (user.field("status"), user.field("result"), user.field("latency")) == ("no answer", "Failed", "–")
    assert user.field("failure").startswith("nothing listens at 127.0.0.1:1")
    user.well()


def test_an_answer_is_text_and_runs_nothing(user: User) -> None:
    user.send("attack")
    assert user.field("response") == ATTACK
    user.page.get_by_text("Response headers").click()
    assert ATTACK in user.page.locator("#panel").inner_text()
    user.page.reload()
    assert "owned" not in user.page.title()
    assert user.page.locator("#content img").count() == 0
    user.well()


@pytest.mark.slow
def test_the_payload_is_checked_as_one_types_and_sent_as_it_was_edited(user: User) -> None:
    page = user.page
    user.send("good")
    payload, state = page.get_by_label("Payload", exact=True), page.locator("#payload-state")
    rows = page.locator("#history tr")
    before = rows.count()
    payload.fill('{"event": }')
    expect(state).to_contain_text("Not JSON")
    expect(payload).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Send Test Event").click()
    expect(payload).to_be_focused()
    payload.fill('{ "event": "other" }')
    expect(state).to_contain_text("Valid JSON")
    page.get_by_role("button", name="Send Test Event").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("its event is other, not")
    assert rows.count() == before, "what is wrong was not sent"
    payload.fill(f'{{ "event": "{APP}",\n  "mine": [1.0, "a b"] }}')
    payload.press("Control+Enter")
    expect(rows).to_have_count(before + 1)
    assert user.field("payload") == f'{{"event":"{APP}","mine":[1.0,"a b"]}}'
    page.get_by_label("Event type").select_option(ACTIVITY)
    expect(payload).to_have_value(re.compile(ACTIVITY))
    page.get_by_label("Event type").select_option(APP)
    expect(payload).to_have_value(re.compile("mine"))
    page.get_by_role("button", name="New sample").click()
    expect(payload).not_to_have_value(re.compile("mine"))
    user.well(refused=1)


@pytest.mark.slow
def test_history_shows_and_sends_again(user: User) -> None:
    page = user.page
    user.send("good")
    payload = user.field("payload")
    number = page.locator("#history tr").first.get_attribute("data-number")
    user.send("wrong")
    count = page.locator("#history tr").count()
    page.get_by_role("button", name=f"Show {number}", exact=True).click()
    expect(page.locator("#panel [data-field=status]")).to_have_text("200 OK")
    page.get_by_role("button", name=f"Send {number} again").click()
    expect(page.locator("#history tr")).to_have_count(count + 1)
    assert (user.field("payload"), user.field("status")) == (payload, "200 OK")
    page.get_by_text("What is copied").click()
    assert page.locator("#copy-curl").inner_text().startswith("# The signature is of ")
    assert f"loadsim simulate good -e {APP}" in page.locator("#copy-command").inner_text()
    page.reload()
    expect(page.locator("#history tr")).to_have_count(count + 1)
    user.well()


@pytest.mark.slow
def test_copied_is_what_is_shown(user: User) -> None:
    user.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=user.base)
    user.send("good")
    user.page.get_by_role("button", name="Copy as curl").click()
    expect(user.page.get_by_role("button", name="Copied")).to_be_visible()
    copied = user.page.evaluate("navigator.clipboard.readText()")
    user.page.get_by_text("What is copied").click()
    assert copied == user.page.locator("#copy-curl").inner_text()
    user.well()


@pytest.mark.slow
@pytest.mark.long
def test_a_load_run_is_watched_to_its_end_and_its_report_read(user: User) -> None:
    page = user.page
    page.get_by_role("link", name="Load runs").click()
    page.get_by_label("Target", exact=True).filter(visible=True).select_option("good")
    page.get_by_label("Rate", exact=True).fill("soon")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("Rate: ")
    page.get_by_label("Rate", exact=True).fill("400/s")
    page.get_by_label("Duration").fill("1s")
    page.get_by_role("button", name="Show the plan").click()
    expect(page.locator("#plan-text")).to_contain_text("400 events in 1 s")
    for times in (1, 2):
        before = page.locator("#live").get_attribute("data-number") or "none"  # of the run that is shown until then
        page.get_by_role("button", name="Start the run").click()
        expect(page.locator("#live")).not_to_have_attribute("data-number", before)
        expect(page.locator("#live")).to_have_attribute("data-state", "done")
        expect(page.locator("[data-tile=done]")).to_have_text("400")
        for chart in ("rates", "latency", "flight", "failures", "lag"):
            expect(page.locator(f"#live-{chart}")).to_have_attribute("data-points", re.compile("[1-9]"))
        expect(page.locator("#state")).to_have_text(re.compile("^(PASS|INVALID)$"))  # a busy machine says so
        state = page.locator("#state").inner_text()
        lag = page.locator("[data-tile=lag]").inner_text()
        page.get_by_role("link", name="Read the report").click()
        expect(page.locator(".chart[data-drawn]")).to_have_count(7)
        said = re.search(r"generator lag: p99 (.+)", page.locator("#limits").inner_text())
        assert said
        assert quantity(lag) == quantity(said[1]), "the tile and the report speak of the same lag"
        expect(page.get_by_role("heading", name="Objectives")).to_be_visible()
        assert page.evaluate(COVERED) == []
        if state == "PASS":  # what an invalid run does not judge has no bar
            expect(page.locator("#objectives svg .value").first).to_be_visible()
        page.get_by_role("link", name="Load runs" if times == 1 else "Runs", exact=True).click()
        if times == 1:
            page.get_by_label("Target", exact=True).filter(visible=True).select_option("good")
            page.get_by_label("Rate", exact=True).fill("400/s")
            page.get_by_label("Duration").fill("1s")
    page.get_by_label("Scenario").select_option("quick")
    expect(page.locator("#chart-trend[data-drawn]")).to_be_visible()
    boxes = page.get_by_role("checkbox")
    expect(page.get_by_role("button", name="Compare two runs")).to_be_disabled()
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare two runs").click()
    expect(page.get_by_role("heading", name="quick against quick")).to_be_visible()
    user.well(refused=1)


def quantity(text: str) -> tuple[float, str]:
    """A figure and its unit."""
    figure, unit = text.split(" ")
    return float(figure.replace(",", "")), unit


@pytest.mark.parametrize("width", slow_but([390], [390, 1280]))
def test_a_run_of_the_command_line_is_watched_on_its_page(browser: Browser, tmp_path: Path, width: int) -> None:
    command = [sys.executable, "-m", "loadsim", "run", "embedded", "-c", "2", "-n", "500", "--live", "0", "-q"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        context = browser.new_context(viewport=ViewportSize(width=width, height=844), color_scheme="dark")
        user = User(context, found[0])
        page = user.page
        live = page.locator("#live")
        expect(live).to_have_attribute("data-state", "done")
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    expect(page.locator("[data-tile=done]")).to_have_text("500")
    for chart in ("rates", "latency", "flight", "failures"):
        expect(page.locator(f"#live-{chart}")).to_have_attribute("data-points", re.compile("[1-9]"))
    report = page.locator("#outcome code").inner_text()
    assert report.removesuffix("report.html") in out
    assert page.get_by_role("button").count() == page.get_by_role("link").count() - 1 == 0, "but for the skip link"
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(NAMELESS) == []
    user.well()
    context.close()


@pytest.mark.slow
def test_without_the_chart_library_pages_say_how_to_get_it(user: User) -> None:
    user.page.route("**/static/plotly.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    user.page.goto(f"{user.base}/load")
    hint = user.page.get_by_role("status").filter(has_text="There are no charts")
    expect(hint).to_contain_text("pip install 'loadsim[dashboard]'")
    user.page.get_by_label("Target", exact=True).filter(visible=True).select_option("good")
    user.page.get_by_label("Duration").fill("2s")
    user.page.get_by_role("button", name="Start the run").click()
    expect(user.page.locator("[data-tile=done]")).to_have_text("100")
    expect(user.page.locator("#live")).to_have_attribute("data-state", "done")
    user.page.get_by_role("link", name="Read the report").click()
    expect(hint).to_be_visible()
    expect(user.page.locator("figure + details[open] table").first).to_be_visible()
    user.well()


@pytest.mark.slow
def test_a_run_that_is_stopped_at_once_is_over_whatever_comes_late(user: User) -> None:
    page = user.page
    page.goto(f"{user.base}/load")
    page.get_by_label("Target", exact=True).filter(visible=True).select_option("good")
    live = page.locator("#live")

    def late(route: Route) -> None:
        answer = route.fetch()
        expect(live).to_have_attribute("data-state", re.compile("cancelled|done"))
        route.fulfill(response=answer)

    page.route("**/load/stop", late)
    page.get_by_role("button", name="Start the run").click()
    with page.expect_response("**/load/stop"):
        page.get_by_role("button", name="Stop").click()
    page.evaluate("fetch('/static/page.css').then(answer => answer.text())")
    expect(live).to_have_attribute("data-state", re.compile("cancelled|done"))
    expect(page.get_by_role("button", name="Start the run")).to_be_enabled()
    user.well()


@pytest.mark.parametrize("width", slow_but([390], [390, 768, 1600]))
def test_it_fits_light_and_dark_and_everything_has_a_name(browser: Browser, address: str, width: int) -> None:
    size = ViewportSize(width=width, height=800)
    context = browser.new_context(viewport=size, color_scheme="dark" if width == 390 else "light")
    user = User(context, address)
    user.send("good")
    for path in ("/", "/load", "/runs"):
        user.page.goto(user.base + path)
        assert user.page.evaluate("document.documentElement.scrollWidth") == width, path
        nameless = user.page.evaluate(NAMELESS)
        assert nameless == [], path
        assert user.page.locator("h1").count() == 1
        assert user.page.locator("main").count() == 1
        assert user.page.evaluate(COVERED) == [], path
    user.well()
    context.close()


NAMELESS = """[...document.querySelectorAll('input, select, textarea, button, progress')]
    .filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))
    .map(e => e.outerHTML)"""


COVERED = """[...document.querySelectorAll('.brand, nav.sections a')]
    .filter(e => e.getBoundingClientRect().bottom
        > Math.min(...[...document.querySelectorAll('main, header')].map(e => e.getBoundingClientRect().top)))
    .map(e => e.textContent)"""


@pytest.mark.slow
def test_the_keyboard_alone_sends_an_event(user: User) -> None:
    page = user.page
    before = page.locator("#history tr").count()
    expect(page.get_by_label("Payload", exact=True)).not_to_have_value("")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "submit":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#history tr")).to_have_count(before + 1)
    expect(page.locator("#title-result")).to_be_focused()
    user.well()


@pytest.mark.slow
@pytest.mark.parametrize("host", slow_but(["localhost"], ["localhost", "127.0.0.1"]))
def test_another_site_cannot_post_even_from_this_browser(user: User, host: str) -> None:
    """Its post arrives without the cookie; from another port of this host, which is the same site, it has that too."""
    before = user.page.locator("#history tr").count()
    other = user.page.context.new_page()
    body = {"target": "good", "event": ACTIVITY, "payload": json.dumps({"event": ACTIVITY})}

    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>elsewhere</title>", content_type="text/html")

    with serving(elsewhere) as site:
        other.goto(site.replace("127.0.0.1", host))
        with other.expect_request("**/simulations"):
            other.evaluate(
                """async ([url, body]) => { await fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include',
                    body}).catch(() => 0); }""",
                [f"{user.base}/simulations", json.dumps(body)],
            )
    user.page.reload()
    assert user.page.locator("#history tr").count() == before
