"""`loadsim explain`: what it says of an event is what was sent, byte for byte where times are planned."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from loadsim.cli.json_documents import schema_of
from tests.cli.running import Ran, Run
from tests.conftest import slow_but
from tests.engine.servers import OK, Peer, Server
from tests.launch.support import SECRET, SECRET_ENV

EPOCH = ("--epoch", "1777885800")
HEADERS = ("-H", 'X-Own: it\'s "mine" $HOME', "-H", "Authorization: env:EXPLAIN_TOKEN")
TOKEN = "token-that-nobody-may-see-81723"


class Kept:
    """A server's behaviour that keeps each request by the index of its event."""

    def __init__(self) -> None:
        self.requests: dict[int, bytes] = {}

    def __call__(self, peer: Peer) -> None:
        while True:
            request = peer.request()
            head = request.partition(b"\r\n\r\n")[0].decode()
            name = next((line for line in head.split("\r\n") if line.startswith("X-Loadsim-Id: ")), "x: a/-1/1")
            self.requests[int(name.split("/")[1])] = request
            peer.send(OK)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    monkeypatch.setenv("EXPLAIN_TOKEN", TOKEN)
    return Run(monkeypatch, capsys)


def document(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    jsonschema.validate(found, schema_of("loadsim.event/1"), cls=jsonschema.Draft202012Validator)
    return found


def sent(request: bytes) -> tuple[list[list[str]], str]:
    """Headers and body as `explain` shows them."""
    head, _, body = request.partition(b"\r\n\r\n")
    pairs = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return [[name, "env:EXPLAIN_TOKEN" if value == TOKEN else value] for name, value in pairs], body.decode()


SCENARIOS = {
    "open": '[[phases]]\nrate = "100/s"\nduration = "200ms"\nrecord = false\n'
    '[[phases]]\nrate = "200/s"\nduration = "300ms"\n',
    "poisson": '[[phases]]\nrate = "200/s"\nduration = "300ms"\narrivals = "poisson"\n',
    "closed": "[[phases]]\nconnections = 3\nevents = 40\n",
    "forged": '[[phases]]\nrate = "200/s"\nduration = "300ms"\n[[cases]]\nkind = "wrong_secret"\nshare = 0.3\n'
    '[[cases]]\nkind = "documentation_key"\nshare = 0.3\n[[cases]]\nkind = "future_timestamp"\nshare = 0.2\n',
    "rotating": '[[phases]]\nrate = "100/s"\nduration = "200ms"\nsecrets = "both"\n',
}


@pytest.mark.parametrize("kind", slow_but(["forged", "rotating"], SCENARIOS))
@pytest.mark.parametrize("workers", slow_but(["2"], ["1", "2"]))
def test_a_request_is_made_again_byte_for_byte(
    kind: str, workers: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD", "old-secret-never-shown")
    kept = Kept()
    with Server(kept) as server:
        Path("s.toml").write_text(
            f'[target]\nurl = "{server.url}"\ntimeout = "60s"\nold_secret_env = "OLD"\n[trace]\nsampled = "50%"\n'
            f'link = "https://traces.test/{{trace_id}}"\n{SCENARIOS[kind]}'
        )
        options = ("-w", workers, "--raw", "--outcomes", "-q", *EPOCH, *HEADERS, "--no-default-objectives")
        assert run("run", "s.toml", *options).code in (0, 3)
    assert len(kept.requests) > 15
    for index in sorted(kept.requests)[::5]:
        found = document(run("explain", "latest", str(index), "--json"))
        headers, body = sent(kept.requests[index])
        request = found["request"]
        assert (request["headers"], request["body"]) == (headers, body)
        assert (request["signed"], request["dated"], request["url"]) == (True, "epoch", server.url)
        (delivery,) = found["deliveries"]
        assert delivery["bytes_out"] == len(kept.requests[index])
        assert (delivery["kind"], delivery["outcome"]) == ("200", True)
        assert delivery["delivery_id"] == dict(headers)["X-Loadsim-Id"]
        assert delivery["trace"] == found["trace"]
        assert f"-{found['trace']['span_id']}-" in dict(headers)["traceparent"]
        assert found["trace"]["link"] == f"https://traces.test/{found['trace']['trace_id']}"
        assert found["times_sent"] == 1
        assert found["ending"] == "succeeded"
        assert (found["due_s"] is None) == (kind == "closed")
        shown = run("explain", "latest", str(index))
        assert shown.code == 0
        for secret in (TOKEN, SECRET, "old-secret-never-shown"):
            assert secret not in shown.out + shown.err + json.dumps(found)


@pytest.mark.needs("curl")
def test_the_curl_command_sends_the_same_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    with Server(kept) as server:
        Path("odd.ndjson").write_text(
            "".join(
                json.dumps({"body": body}) + "\n"
                for body in ('it\'s $HOME `x` \\ "q"', "@file", "a\nb\tc\x01", "é" * 60_000)
            )
        )
        ran = run("run", server.url, "-n", "4", "-c", "1", "--payload", "odd.ndjson", "-q", "--raw", *EPOCH, *HEADERS)
        assert ran.code in (0, 3, 99), ran.err
        before = dict(kept.requests)
        kept.requests.clear()
        for index in range(4):
            command = run("explain", "latest", str(index), "--curl")
            assert command.code == 0, command.err
            assert TOKEN not in command.out
            Path("command").write_text(command.out)
            subprocess.run(["sh", "-eu", "command"], check=True, capture_output=True)
    for index, request in before.items():
        (headers, body), (own, again) = sent(request), sent(kept.requests[index])
        assert again == body
        assert sorted(own) == sorted(headers)
    assert len(before) == len(kept.requests) == 4


def test_without_its_secret_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    with Server(kept) as server:
        assert run("run", server.url, "-n", "5", "-c", "1", "-q", *EPOCH).code in (0, 3)
    monkeypatch.delenv(SECRET_ENV)
    found = document(run("explain", "latest", "3", "--json"))
    headers, body = sent(kept.requests[3])
    signed = dict(headers)["X-Webhook-Signature"]
    assert found["request"]["headers"] == [
        [name, "*** (needs the secret)" if value == signed else value] for name, value in headers
    ]
    assert (found["request"]["body"], found["request"]["signed"]) == (body, False)
    assert any(note.startswith("not signed: ") and SECRET_ENV in note for note in found["notes"])
    assert found["deliveries"] == []
    assert found["trace"] is None
    assert (found["ending"], found["times_sent"]) == (None, None)


def test_the_embedded_receiver_is_gone(run: Run) -> None:
    assert run("run", "embedded", "-r", "100/s", "-n", "20", "-q", "--trace", "1%").code in (0, 3)
    (directory,) = Path("reports").iterdir()
    for name in (str(directory), f"{directory}/result.json", directory.name, "latest"):
        found = document(run("explain", name, "7", "--json"))
        assert found["request"]["url"] is None
        assert (found["due_s"], found["request"]["dated"]) == (0.07, "due")
        assert found["run"] == directory.name
    assert '"$TARGET_URL"' in run("explain", "latest", "7", "--curl").out
    beyond = run("explain", "latest", "20")
    assert (beyond.code, beyond.out) == (2, "")
    assert "has no event 20: its plan has 20" in beyond.err
    assert run("explain", "nowhere", "1").code == 2
    assert run("explain", "latest", "-1").code == 2


def test_recorded_bodies_must_be_there_and_the_same(run: Run) -> None:
    Path("mine.ndjson").write_text('{"body": "1"}\n{"body": "2"}\n')
    assert run("run", "embedded", "-c", "1", "-n", "4", "--payload", "mine.ndjson", "-q").code in (0, 3, 99)
    assert document(run("explain", "latest", "1", "--json"))["request"]["body"] == "2"
    Path("mine.ndjson").write_text('{"body": "1"}\n{"body": "3"}\n')
    other = run("explain", "latest", "1")
    assert (other.code, other.out) == (2, "")
    assert "mine.ndjson: it is not the file of this run any more" in other.err
    Path("mine.ndjson").unlink()
    assert "mine.ndjson" in run("explain", "latest", "1").err


def test_the_header_of_the_user_and_a_trace_exclude_each_other(run: Run) -> None:
    ran = run("run", "embedded", "-n", "1", "-H", "TraceParent: x", "--trace", "1%")
    assert (ran.code, ran.out) == (2, "")
    assert "target.headers.TraceParent" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert "is not a share" in run("run", "embedded", "-n", "1", "--trace", "2").err


class Refusing:
    """A server's behaviour that answers 500 to each first delivery, and keeps each request by the end of its id."""

    def __init__(self) -> None:
        self.requests: dict[str, bytes] = {}

    def __call__(self, peer: Peer) -> None:
        while True:
            request = peer.request()
            head = request.partition(b"\r\n\r\n")[0].decode()
            name = next((line for line in head.split("\r\n") if line.startswith("X-Loadsim-Id: ")), "x: a/-1/1")
            _, index, attempt = name.split("/")
            self.requests[f"{index}/{attempt}"] = request
            peer.send(OK.replace(b"200 OK", b"500 No") if attempt == "1" else OK)


RETRYING = """
[trace]
sampled = "50%"
[retry]
profile = "{profile}"
schedule = ["30ms", "30ms"]
[[phases]]
rate = "100/s"
duration = "200ms"
"""


@pytest.mark.parametrize("scheme", slow_but(["square"], ["slack", "square", "trackpilots"]))
@pytest.mark.parametrize("epoch", slow_but([EPOCH], [EPOCH, ()]), ids=["epoch", "now"])
def test_each_attempt_of_a_retried_event_is_made_again(
    scheme: str, epoch: tuple[str, ...], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Refusing()
    with Server(kept) as server:
        target = f'[target]\nurl = "{server.url}"\nscheme = "{scheme}"\ntimeout = "60s"\nsecret_env = "{SECRET_ENV}"\n'
        profile = "slack" if scheme == "trackpilots" else scheme
        Path("s.toml").write_text(target + RETRYING.format(profile=profile))
        ran = run("run", "s.toml", "--raw", "-q", *epoch, "--no-default-objectives")
        assert ran.code in (0, 3), ran.err
    assert {name.partition("/")[2] for name in kept.requests} == {"1", "2"}
    for name in sorted(kept.requests)[::3]:
        index, attempt = name.split("/")
        found = document(run("explain", "latest", index, "--json", "--attempt", attempt))
        headers, body = sent(kept.requests[name])
        assert found["attempt"] == int(attempt)
        assert [row["kind"] for row in found["deliveries"]] == ["500", "200"]
        assert found["request"]["body"] == body, "of the time at which the event was due, whenever it was sent"
        if epoch:
            assert found["request"]["headers"] == headers
        own = [row for row in found["request"]["headers"] if "sign" not in row[0].lower()]
        assert [row[0] for row in found["request"]["headers"]] == [row[0] for row in headers]
        assert [row for row in own if "time" not in row[0].lower()] == [
            row for row in headers if "sign" not in row[0].lower() and "time" not in row[0].lower()
        ]
        assert f"-{found['trace']['span_id']}-" in dict(headers)["traceparent"]
        assert not any("something in it is not as it was" in note for note in found["notes"])
    shown = run("explain", "latest", "3", "--attempt", "2")
    assert "below is attempt 2" in shown.out
    assert run("explain", "latest", "3", "--attempt", "3").err.endswith("the raw log has 2 attempts of it\n")


def test_an_attempt_that_cannot_have_been_is_one_line(run: Run) -> None:
    assert run("run", "embedded", "-r", "100/s", "-n", "5", "-q").code in (0, 3)
    ran = run("explain", "latest", "3", "--attempt", "2")
    assert (ran.code, ran.out) == (2, "")
    assert "event 3 has no attempt 2" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_an_attempt_without_a_raw_log_says_what_is_not_known(run: Run) -> None:
    with Server(Refusing()) as server:
        target = f'[target]\nurl = "{server.url}"\nsecret_env = "{SECRET_ENV}"\n'
        Path("s.toml").write_text(target + RETRYING.format(profile="slack"))
        assert run("run", "s.toml", "-q", "--no-default-objectives").code in (0, 3)
    found = document(run("explain", "latest", "3", "--json", "--attempt", "2"))
    assert dict(found["request"]["headers"])["X-Loadsim-Id"].endswith("/3/2")
    assert any(note.startswith("when it was signed, and how the attempt before it ended") for note in found["notes"])
