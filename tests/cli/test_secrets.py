"""A value from the environment is a secret under any name, also where an endpoint repeats it, as it does with a signing
secret and with what is masked in a URL.

So is what stands in place of a variable's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from loadsim.plan.redact import shown_variable
from tests.conftest import slow_but

from .loopback import serving
from .running import Run

VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
APP = "desktop.app_tracking.captured"
VALUE, BEARER = "tenant-0815-hidden", "Bearer opaque-0815-hidden"
QUERY, PASSWORD, BASIC = "route-0815-hidden", "pass@0815-hidden", "Ym9iOnBhc3NAMDgxNS1oaWRkZW4="
HIDDEN = (VALUE, "opaque-0815-hidden", "whsec_hidden", QUERY, PASSWORD, "pass%400815-hidden", BASIC)
HEADERS = ("-H", "X-Tenant: env:TENANT", "-H", "X-Caller: env:CALLER", "-H", "X-Api-Key: Basic bGl0ZXJhbA")
MISTAKEN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def echo(request: web.Request) -> web.Response:
    """Refuses, and repeats everything, as a debugging endpoint does, with the secret that it verifies with."""
    await request.read()
    tenant, caller = request.headers["X-Tenant"], request.headers["X-Caller"]
    known = (tenant, caller, request.path_qs, HIDDEN[2], PASSWORD)
    said = "\n".join((*known, *(f"{name}: {value}" for name, value in request.headers.items())))
    return web.Response(status=401, reason=f"no {tenant}", text=said, headers={"X-Echo": caller, "X-Tenant": tenant})


@pytest.fixture
def url() -> Iterator[str]:
    with serving(echo) as url:
        yield f"{url.replace('://', '://bob:pass%400815-hidden@')}/hooks?x=1&route={QUERY}"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    for name, value in ((VARIABLE, HIDDEN[2]), ("TENANT", VALUE), ("CALLER", BEARER)):
        monkeypatch.setenv(name, value)
    return Run(monkeypatch, capsys)


COMMANDS = {
    "simulate": ("simulate", "-e", APP),
    "simulate --json": ("simulate", "-e", APP, "--json"),
    "probe": ("probe",),
    "probe --json": ("probe", "--json"),
    "run": ("run", "-c", "1", "-n", "3"),
    "run --json -": ("run", "-c", "1", "-n", "3", "--json", "-", "--raw", "--outcomes"),
    "run, aiohttp": ("run", "-c", "1", "-n", "3", "--transport", "aiohttp"),
    "run, cluster": ("run", "-c", "1", "-n", "3", "--cluster", "local:1"),
    "capacity": ("capacity", "--from", "20/s", "--step", "1s", "--settle", "100ms"),
}


@pytest.mark.parametrize("name", slow_but(["run", "probe"], COMMANDS))
def test_no_value_of_a_variable_is_shown_or_kept(name: str, run: Run, url: str, tmp_path: Path) -> None:
    command, *options = COMMANDS[name]
    ran = run(command, url, *HEADERS, *options)
    assert ran.code == 99, ran.err
    kept = [path.read_bytes() for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert bool(kept) == (command in ("run", "capacity", "probe"))
    for text in (ran.out.encode(), ran.err.encode(), *kept):
        assert not [value for value in (*HIDDEN, "bGl0ZXJhbA") if value.encode() in text]
    if command != "capacity":
        assert "***" in ran.out


def test_nor_on_the_page(run: Run, url: str) -> None:
    pytest.importorskip("jinja2")
    from loadsim.dashboard.pages import Pages
    from loadsim.dashboard.sent_simulations import SentSimulations
    from loadsim.run.config_file import read_config
    from loadsim.settings import resolve_target
    from loadsim.single.prepare import changed_target, own_event, prepare

    endpoint = resolve_target(url, read_config())
    headers = {"X-Tenant": "env:TENANT", "X-Caller": "env:CALLER"}
    target = changed_target(endpoint, {"headers": headers}, "test")
    delivery = prepare(endpoint, target, own_event(endpoint, b'{"event":"x"}', "x", "test"))
    sent = asyncio.run(SentSimulations().send(delivery))
    page = Pages().panel(sent) + Pages().row(sent)
    assert "X-Tenant" in page
    assert not [value for value in HIDDEN if value in page]


async def repeat(request: web.Request) -> web.Response:
    """Refuses, and repeats all headers and the body."""
    said = "\n".join([*(f"{name}: {value}" for name, value in request.headers.items()), await request.text()])
    return web.Response(status=401, text=said)


OWN = """
[endpoints.own]
url = "{url}"
scheme = "custom"
secret_env = "OWN"
[endpoints.own.custom]
headers = ["X-Caller-Id: {{secret}}"]
algorithm = "none"
"""


@pytest.mark.parametrize(
    ("event", "command"),
    [
        ("telegram.message", "simulate"),
        ("postmark.Delivery", "simulate --json"),
        ("microsoft-graph.message.created", "simulate"),
        ("microsoft-graph.message.created", "simulate --json"),
        ("own", "simulate"),
        pytest.param("own", "run", marks=pytest.mark.slow),
    ],
)
def test_a_secret_that_is_sent_itself_is_not_shown(
    event: str, command: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN", "bob:sent-0815-itself")
    with serving(repeat) as url:
        Path("loadsim.toml").write_text(OWN.format(url=url), encoding="utf-8")
        options = ("-e", APP) if event == "own" else ("-e", event, "--secret-env", "OWN")
        words, more = command.split(), ("-c", "1", "-n", "2", "--json", "-", "--raw") if command == "run" else ()
        ran = run(words[0], "own" if event == "own" else url, *options, *words[1:], *more)
    assert ran.code == 99, ran.err
    kept = [path.read_text(errors="replace") for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    for text in (ran.out, ran.err, *kept):
        assert "sent-0815-itself" not in text
        assert "Ym9iOnNlbnQtMDgxNS1pdHNlbGY" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "http://127.0.0.1:9/", "-e", APP, "--secret-env", MISTAKEN),
        ("simulate", "http://127.0.0.1:9/", "-e", APP, "-H", f"X-Key: env:{MISTAKEN}"),
        ("probe", "http://127.0.0.1:9/", "--secret-env", MISTAKEN),
        ("run", "http://127.0.0.1:9/", "--secret-env", MISTAKEN),
        ("run", "http://127.0.0.1:9/", "--secret-env", MISTAKEN, "--check"),
        ("run", "embedded", "-n", "5", "-c", "1", "--secret-env", MISTAKEN),
        ("run", "http://127.0.0.1:9/", "--secret-env", MISTAKEN, "--cluster", "local:1"),
        ("capacity", "http://127.0.0.1:9/", "--secret-env", MISTAKEN),
        ("ab", "http://127.0.0.1:9/", "http://127.0.0.1:9/", "--secret-env", MISTAKEN),
        ("receive", "--port", "0", "--admin", "127.0.0.1:0", "--secret-env", MISTAKEN),
        ("receive", "--port", "0", "--admin", "127.0.0.1:0", "--old-secret-env", MISTAKEN),
        ("bench", "verify", "--scheme", "trackpilots", "--verifier", "json:loads", "--secret-env", MISTAKEN),
        ("schemes", "verify", "trackpilots", "-H", "A: b", "--body-file", "body", "--secret-env", MISTAKEN),
    ],
    ids=lambda arguments: " ".join(arguments).replace(MISTAKEN, "SECRET")[:60],
)
def test_a_secret_in_place_of_a_name_is_not_repeated(arguments: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"{}")
    ran = run(*arguments)
    kept = [path.read_text(errors="replace") for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    for text in (ran.out, ran.err, *kept):
        assert MISTAKEN not in text
    if arguments[1] != "embedded":  # which needs no secret of the user's
        assert ran.code == 2
        assert "is not set" in ran.err


@pytest.mark.parametrize("name", ["TRACKPILOTS_WEBHOOKS_SECRET_KEY", "STAGING", "AWS_S3_KEY2", "_X", "HOOK2"])
def test_what_is_called_as_variables_are_is_named(name: str) -> None:
    assert shown_variable(name) == name or name == "_X"


@pytest.mark.parametrize(
    "secret",
    [
        MISTAKEN,
        "sk_live_51H8",
        "A1B2C3D4E5F60718",
        "deadbeef",
        "JBSWY3DPEHPK3PXP",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "x",
    ],
)
def test_what_could_be_a_secret_is_not(secret: str) -> None:
    assert shown_variable(secret) == "***"
