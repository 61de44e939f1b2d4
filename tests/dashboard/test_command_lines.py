"""What is copied does the same when it is pasted, and holds no secret."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from loadsim.dashboard.command_lines import curl_command, simulate_command
from loadsim.dashboard.sent_simulations import SentSimulation, SentSimulations
from loadsim.error_kinds import ErrorKind
from loadsim.plan import Target
from loadsim.run.config_file import read_config
from loadsim.settings import Endpoint, resolve_target
from loadsim.single.prepare import changed_target, own_event, prepare
from loadsim.single.result import Failure, Simulation, Timings
from tests.cli.loopback import serving

EVENT = "desktop.app_tracking.captured"
BODY = '{"event":"desktop.app_tracking.captured","text":"it\'s $HOME `ls` \\"é\\" 漢"}'.encode()
SECRETS = ("whsec_hidden", "bearer_hidden")


class Taker:
    """Takes whatever comes."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        return web.Response(text="taken")


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Taker]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIDDEN", SECRETS[0])
    monkeypatch.setenv("BEARER", SECRETS[1])
    endpoint = Taker()
    with serving(endpoint.take) as url:
        text = f'[endpoints.here]\nurl = "{url}/hooks"\nsecret_env = "HIDDEN"\n'
        (tmp_path / "loadsim.toml").write_text(text + 'headers = { Authorization = "env:BEARER" }\n')
        yield endpoint


def sent_to(name: str) -> SentSimulation:
    found = resolve_target(name, read_config())
    target = changed_target(found, {}, "test")
    delivery = prepare(found, target, own_event(found, BODY, EVENT, "test"))
    return asyncio.run(SentSimulations().send(delivery))


def pasted(command: str, cwd: Path) -> None:
    prelude = f'set -eu\nloadsim() {{ "{sys.executable}" -m loadsim "$@"; }}\n'
    subprocess.run(["bash", "-c", prelude + command], cwd=cwd, check=True, capture_output=True, timeout=60)


def test_what_tells_is_masked() -> None:
    target = Target(url="https://user:hidden@example.test/hooks?key=hidden", headers={"X-Api-Key": "hidden"})
    headers = {"X-Api-Key": "hidden", "X-Gitlab-Token": "hidden", "Content-Type": "application/json"}
    simulation = Simulation(EVENT, target.url, headers, b"{}", Timings(), Failure(ErrorKind.refused, "down"))
    command = curl_command(simulation, target, "now") + simulate_command(simulation, Endpoint(None, target), target)
    assert "hidden" not in command
    assert "-H 'X-Api-Key: ***'" in command


@pytest.mark.needs("curl")
def test_curl_sends_the_very_same(endpoint: Taker, tmp_path: Path) -> None:
    sent = sent_to("here")
    command = curl_command(sent.simulation, sent.delivery.target, "now")
    assert not any(secret in command for secret in SECRETS)
    pasted(command, tmp_path)
    (first, body), (second, again) = endpoint.came
    assert body == again == BODY
    signed = ("X-Webhook-Signature", "X-Webhook-Timestamp", "Content-Type", "Authorization")
    assert [first[name] for name in signed] == [second[name] for name in signed]


def test_the_command_sends_the_same_body_signed_anew(endpoint: Taker, tmp_path: Path) -> None:
    sent = sent_to("here")
    command = simulate_command(sent.simulation, sent.delivery.endpoint, sent.delivery.target)
    assert not any(secret in command for secret in SECRETS)
    assert re.search(rf"loadsim simulate here -e {EVENT} --payload /dev/stdin$", command)
    pasted(command, tmp_path)
    assert endpoint.came[1][1] == BODY
    assert endpoint.came[1][0]["Authorization"] == f"{SECRETS[1]}"


def test_sent_again_it_has_a_fresh_signature(endpoint: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadsim.dashboard.sent_simulations.time.time_ns", iter([10**18, 2 * 10**18]).__next__)
    sent = sent_to("here")
    asyncio.run(SentSimulations().send(sent.delivery, again=sent.number))
    (first, body), (second, again) = endpoint.came
    assert body == again
    assert (first["X-Webhook-Timestamp"], second["X-Webhook-Timestamp"]) == ("1000000000", "2000000000")
    assert first["X-Webhook-Signature"] != second["X-Webhook-Signature"]
