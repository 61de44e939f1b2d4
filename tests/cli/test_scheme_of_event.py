"""The scheme follows from the events that are named, in every command, and a scheme's own events need no prefix."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from loadsim.inputs.event_names import settled
from loadsim.model import Secret, UsageError
from loadsim.plan import Target
from loadsim.signing import scheme

from .loopback import serving
from .running import Run

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHARGE = "stripe.charge.succeeded"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    for variable in ("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "MUX_WEBHOOK_SECRET"):
        monkeypatch.setenv(variable, SECRET)
    return Run(monkeypatch, capsys)


async def stripe_only(request: web.Request) -> web.Response:
    """Accepts what Stripe signed."""
    body = await request.read()
    rejection = scheme("stripe").verifier(Secret(SECRET)).verify(request.headers, body, time.time())
    return web.Response(status=200 if rejection is None else 401)


@pytest.mark.parametrize(
    "options",
    [
        ["-e", CHARGE],
        ["--scheme", "stripe", "-e", "charge.succeeded"],
        ["--scheme", "stripe", "-e", CHARGE],
    ],
)
def test_simulate_signs_an_event_as_its_provider_does(run: Run, options: list[str]) -> None:
    with serving(stripe_only) as url:
        ran = run("simulate", url, *options, "--json")
    assert ran.code == 0, ran.err
    shown = orjson.loads(ran.out)
    assert shown["event"] == CHARGE
    assert "Stripe-Signature" in shown["delivery_headers"]


def test_an_own_payload_of_a_named_event_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text('{"id":"evt_1"}')
    with serving(stripe_only) as url:
        ran = run("simulate", url, "-e", CHARGE, "--payload", "own.json")
    assert ran.code == 0, ran.out


def test_an_endpoint_that_has_registered_a_providers_events_is_signed_for_by_it(run: Run, tmp_path: Path) -> None:
    with serving(stripe_only) as url:
        (tmp_path / "loadsim.toml").write_text(f'[endpoints.shop]\nurl = "{url}"\nevents = ["{CHARGE}"]\n')
        assert run("simulate", "shop").code == 0
        assert run("run", "shop", "--events", "3", "-c", "1").code == 0
        assert run("simulate", "shop", "--scheme", "stripe", "-e", "charge.succeeded").code == 0


@pytest.mark.parametrize("mix", [["-e", CHARGE], ["-e", "charge.succeeded", "--scheme", "stripe"]])
def test_run_signs_a_mix_as_its_provider_does(run: Run, mix: list[str]) -> None:
    with serving(stripe_only) as url:
        ran = run("run", url, *mix, "--events", "3", "-c", "1")
    assert ran.code == 0, ran.err + ran.out


@pytest.mark.parametrize(("scheme_line", "type_"), [("", CHARGE), ('scheme = "stripe"', "charge.succeeded")])
def test_a_scenario_does_too(run: Run, tmp_path: Path, scheme_line: str, type_: str) -> None:
    with serving(stripe_only) as url:
        (tmp_path / "s.toml").write_text(
            f'name = "s"\n[target]\nurl = "{url}"\n{scheme_line}\n[[events]]\ntype = "{type_}"\n'
            '[[phases]]\nname = "p"\nconnections = 1\nevents = 3\n'
        )
        ran = run("run", "s.toml")
    assert ran.code == 0, ran.err + ran.out


def test_probe_too(run: Run) -> None:
    with serving(stripe_only) as url:
        ran = run("probe", url, "-e", CHARGE, "--clock", "--json")
    assert orjson.loads(ran.out)["target"]["scheme"] == "stripe"


def test_events_of_two_providers_need_a_scheme_that_is_named(run: Run) -> None:
    ran = run("run", "http://127.0.0.1:9", "-e", CHARGE, "-e", "github.push", "--check")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "these are events of stripe and of github: one scheme signs them all, so name it" in ran.err
    assert settled(Target(url="http://x", scheme="mux"), [CHARGE, "github.push"], names_scheme=True)[0] == "mux"
    with pytest.raises(UsageError, match="of github and of stripe"):
        settled(Target(url="http://x"), ["github.push", CHARGE], names_scheme=False)


def test_a_scheme_that_is_named_stays(run: Run) -> None:
    seen: list[Any] = []

    async def keep(request: web.Request) -> web.Response:
        seen.append(request.headers)
        return web.Response()

    with serving(keep) as url:
        assert run("simulate", url, "--scheme", "trackpilots", "-e", CHARGE).code == 0
    assert "X-Webhook-Signature" in seen[0]


def test_a_variant_finds_the_events_of_the_scheme_that_it_is_like() -> None:
    names = settled(Target(url="http://x", scheme="mux"), ["charge.succeeded", "no.such"], names_scheme=True)[1]
    assert names == (CHARGE, "no.such")
