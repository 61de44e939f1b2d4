"""Runs whose effects are watched, for real: against the embedded receiver, which knows the truth, and against sources
that fail, lie or say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loadsim.measure.effect_book import EffectBook
from loadsim.measure.result import load_result
from loadsim.run import reconcile
from loadsim.run.effects import http_source, watch
from tests.cli.loopback import Raw, serving, serving_raw
from tests.cli.running import Ran, Run
from tests.conftest import slow_but
from tests.working_endpoint import Endpoint

SCENARIO = """
name = "works"
objectives = [{objectives}]
[target]
url = "embedded"
[receiver]
process = "exp:2ms"
processors = 4
lose = "10%"
repeat = "10%"
[effects]
wait = "{wait}"
[[phases]]
name = "load"
duration = "1s"
rate = "200/s"
"""
SUCCESS = "success: rate >= 1%"
RAN = {0, 3, 99}
"""3: this machine was too busy to be on time, which changes no count."""

QUIETLY = ("-q", "--json", "out.json")
LOAD = ("-r", "100/s", "-d", "1s", "--objective", SUCCESS)
BRIEFLY = ("--effects-wait", "500ms")
PHASE = """
[[phases]]
name = "load"
duration = "1s"
rate = "100/s"
"""
FILE = f"""
name = "file"
objectives = ["{SUCCESS}", "undone: count == 0"]
[target]
url = "embedded"
[effects]
source = "file"
path = "effects.ndjson"
wait = "5s"
{PHASE}"""
ABORT = """
name = "abort"
objectives = ["success: rate >= 1%", { objective = "backlog: max < 50", abort = true }]
[target]
url = "embedded"
[effects]
url = "EFFECTS"
wait = "100ms"
[[phases]]
name = "load"
duration = "1h"
rate = "50/s"
"""


def answering(body: bytes, *, length: int | None = None, drip: bytes = b"", drip_s: float = 0.0) -> Raw:
    """A source that answers every request like this, then `drip` again and again."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                size = b"" if drip else b"Content-Length: %d\r\n" % (len(body) if length is None else length)
                writer.write(head + size + b"\r\n" + body)
                await writer.drain()
                while drip:
                    writer.write(drip)
                    await writer.drain()
                    await asyncio.sleep(drip_s)
        writer.close()

    return connection


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


_FULL = json.dumps({"cursor": "1", "effects": [{"id": f"other/{index}/1"} for index in range(1000)]}).encode()
HOSTILE: dict[str, tuple[Raw, str]] = {
    "silent": (silent, "no answer within 0.5 s"),
    "endless": (answering(b"{", drip=b" " * 65536), "it is larger than 1 MiB"),
    "dripping": (answering(b"{", drip=b" ", drip_s=0.05), "no answer within 0.5 s"),
    "huge": (answering(b" " * (2 << 20)), "it is larger than 1 MiB"),
    "wrong": (answering(b'{"cursor": 1, "effects": []}'), "not a page of effects"),
    "long cursor": (answering(b'{"cursor": "%s", "effects": []}' % (b"x" * 300)), "its cursor is longer than 256"),
    "text": (answering(b"<html>nothing</html>"), "not a page of effects"),
    "never over": (answering(_FULL), "none of the"),
}


@contextlib.contextmanager
def interrupted(when: Callable[[], bool]) -> Iterator[None]:
    """Context in which this process is interrupted, as by Ctrl-C, once `when` says so."""
    over = threading.Event()

    def watching() -> None:
        while not over.wait(0.02):
            if when():
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=watching)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_hidden")
    return Run(monkeypatch, capsys)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources that do not answer are given up soon."""
    monkeypatch.setattr(watch, "LAST_S", 0.2)
    monkeypatch.setattr(http_source, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(reconcile, "READ_TIMEOUT_S", 0.2)


def stored() -> dict[str, Any]:
    data = Path("out.json").read_bytes()
    load_result(data, "out.json")
    document: dict[str, Any] = json.loads(data)
    return document


def write(*objectives: str, wait: str = "5s") -> None:
    quoted = ", ".join(f'"{text}"' for text in (SUCCESS, *objectives))
    Path("works.toml").write_text(SCENARIO.format(objectives=quoted, wait=wait), encoding="utf-8")


def balanced(result: dict[str, Any]) -> dict[str, Any]:
    """The effects of a result that were found, after they were compared with what the receiver says it did."""
    found: dict[str, Any] = result["effects"]
    work = result["receiver"]["work"]
    assert found["problem"] == ""
    assert work["backlog"] == 0
    assert (found["done"], found["undone"], found["repeated"]) == (work["done"], work["lost"], work["repeated"])
    assert found["acknowledged"] == work["done"] + work["lost"]
    return found


@pytest.mark.parametrize("workers", slow_but(["2"], ["1", "2"]))
def test_what_the_receiver_lost_and_repeated_is_what_is_found(run: Run, workers: str) -> None:
    write("undone: count == 0", wait="1s")
    ended = run("run", "works.toml", "-q", "--json", "out.json", "-w", workers)
    assert ended.code in RAN, ended.err
    found = balanced(stored())
    assert found["acknowledged"] == 200
    assert found["undone"] > 0
    assert found["repeated"] > 0
    assert found["others"] == found["gaps"] == 0
    assert "the receiver itself counted the work of 200 deliveries: " in " ".join(ended.out.split())


def test_a_source_on_the_command_line_is_the_same_as_one_in_a_scenario(run: Run) -> None:
    text = SCENARIO.format(objectives=f'"{SUCCESS}"', wait="1s").replace("[effects]", "[validity]").replace("wait", "#")
    Path("plain.toml").write_text(text, encoding="utf-8")
    endpoint = Endpoint()
    with serving(endpoint.handle) as url:
        ended = run("run", "plain.toml", "-t", url, *QUIETLY, "--effects", f"{url}/effects", "--effects-wait", "30s")
    assert ended.code in RAN, ended.err
    found = stored()["effects"]
    assert (found["acknowledged"], found["done"], found["gaps"]) == (200, 200, 0)
    assert found["drained"]


def test_of_more_events_than_are_kept_the_report_has_a_sample(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EffectBook", functools.partial(EffectBook, most=64))
    endpoint = Endpoint()
    with serving(endpoint.handle) as url:
        ended = run("run", url, *LOAD, *QUIETLY, "--effects", f"{url}/effects", "--effects-wait", "30s")
    assert ended.code in RAN, ended.err
    found = stored()["effects"]
    assert (found["one_in"], found["acknowledged"]) == (2, 100), "of each two neighbours one is kept"
    assert (found["done"], found["undone"]) == (100, 0)
    (summary,) = Path("reports").rglob("summary.md")
    assert "estimated from one event of 2" in summary.read_text(encoding="utf-8")


def test_a_run_with_retries_has_one_effect_for_each_event(run: Run) -> None:
    """The endpoint refuses every first attempt: the second is acknowledged, and done."""
    endpoint = Endpoint(first_attempt=503)
    with serving(endpoint.handle) as url:
        retries = ("--retry", "svix", "--time-scale", "60")
        load = ("-r", "40/s", "-d", "1s", "--objective", SUCCESS)
        ended = run("run", url, *load, *retries, *QUIETLY, "--effects", f"{url}/effects", "--effects-wait", "30s")
    assert ended.code in RAN, ended.err
    result = stored()
    found = result["effects"]
    assert result["retries"]["attempts"] >= 80
    assert (found["acknowledged"], found["done"], found["repeated"]) == (40, 40, 0)
    assert found["ack_to_effect_ms"]["max"] < found["effect_ms"]["min"], "a pause lay before the answer, none after it"


def test_a_source_that_fails_for_a_while_loses_nothing(run: Run) -> None:
    endpoint = Endpoint(failing=range(2, 5))
    with serving(endpoint.handle) as url:
        ended = run("run", url, *LOAD, *QUIETLY, "--effects", f"{url}/effects", "--effects-wait", "60s")
    assert ended.code in RAN, ended.err
    found = stored()["effects"]
    assert (found["done"], found["undone"], found["gaps"]) == (100, 0, 3)
    assert found["first_gap"] == "answered 503 busy now"
    (summary,) = Path("reports").rglob("summary.md")
    assert "3 failed, the first: answered 503 busy now" in summary.read_text(encoding="utf-8")


def says(ended: Ran, problem: str) -> None:
    """The source was of no use, for this reason; the rest of the run was kept."""
    result = stored()
    assert problem in result["effects"]["problem"], result["effects"]
    assert result["totals"]["succeeded"] == 100
    assert result["effects"]["undone"] is None
    assert ended.code == 3, ended.out
    (reason,) = [text for text in result["validity"]["reasons"] if "effects" in text]
    assert problem in reason
    assert "undone" in reason


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", slow_but(["wrong", "never over"], HOSTILE))
def test_a_hostile_source_ends_nothing_but_its_own_use(run: Run, kind: str) -> None:
    with serving(Endpoint().handle) as url, serving_raw(HOSTILE[kind][0]) as source:
        began = time.monotonic()
        ended = run("run", url, *LOAD, *QUIETLY, "--objective", "undone: count == 0", "--effects", source, *BRIEFLY)
        assert time.monotonic() - began < 60
    says(ended, HOSTILE[kind][1])


@pytest.mark.usefixtures("impatient")
def test_a_source_that_is_not_there_is_named_in_a_line(run: Run) -> None:
    with serving(Endpoint().handle) as url:
        gone = ("--effects", "http://127.0.0.1:1/effects", *BRIEFLY)
        ended = run("run", url, *LOAD, *QUIETLY, "--objective", "undone: count == 0", *gone)
    says(ended, "it could not be read: cannot be reached: connection refused")


def test_ids_that_match_nothing_are_said(run: Run) -> None:
    endpoint = Endpoint(named=lambda own: f"order-{own.rpartition('/')[0].rpartition('/')[2]}")
    with serving(endpoint.handle) as url:
        effects = ("--effects", f"{url}/effects", "--effects-wait", "1s")
        ended = run("run", url, *LOAD, *QUIETLY, "--objective", "undone: count == 0", *effects)
    says(ended, "none of the 100 effects that were read has an id of this run; the first: order-")


@pytest.mark.parametrize(("apart_s", "useless"), [(-600.0, True), (0.0, False)])
def test_clocks_minutes_apart_are_found_where_the_source_does_not_say_its_time(
    run: Run, apart_s: float, useless: bool
) -> None:
    """A file has no `now`."""
    endpoint = Endpoint(file=Path("effects.ndjson"), apart_s=apart_s)
    Path("file.toml").write_text(FILE, encoding="utf-8")
    with serving(endpoint.handle) as url:
        ended = run("run", "file.toml", "-t", url, *QUIETLY)
    if useless:
        says(ended, "the clocks are more than a minute apart, and the source does not say its time (now)")
    else:
        assert ended.code in {0, 3}, ended.out
        assert stored()["effects"]["done"] == 100


def test_the_secrets_of_a_source_are_nowhere(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFECTS_TOKEN", "token-hunter2")
    endpoint = Endpoint(echo=True)
    with serving(endpoint.handle) as url:
        source = f"{url.replace('//', '//user:word-hunter2@')}/effects?key=key-hunter2"
        text = f'[effects]\nurl = "{source}"\nwait = "1s"\nheaders = {{ X-Token = "env:EFFECTS_TOKEN" }}\n'
        Path("secret.toml").write_text(FILE.partition("[effects]")[0] + text + PHASE, encoding="utf-8")
        ended = run("run", "secret.toml", "-t", url, "--json", "out.json")
    assert "token-hunter2" in endpoint.asked[-1]
    assert ended.code == 3, ended.out
    assert "answered 500" in stored()["effects"]["problem"]
    Path("secret.toml").unlink()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "hunter2" not in ended.out + ended.err
    assert b"hunter2" not in written


def test_ctrl_c_ends_the_wait_and_keeps_the_effects_so_far(run: Run) -> None:
    endpoint = Endpoint(most=30)
    with serving(endpoint.handle) as url, interrupted(lambda: any(Path("reports").glob("*/result.json"))):
        ended = run("run", url, *LOAD, "--json", "out.json", "--effects", f"{url}/effects", "--effects-wait", "1h")
    assert ended.code == 130, ended.err
    assert "no longer waiting for effects" in ended.err
    result = stored()
    assert result["run"]["interrupted"]
    assert result["totals"]["sent"] == 100, "the load was over"
    assert (result["effects"]["done"], result["effects"]["undone"]) == (30, 70)


@pytest.mark.slow
@pytest.mark.long
def test_the_steps_of_a_search_see_their_effects(run: Run) -> None:
    write()
    options = ("--by", "effects", "--from", "20/s", "--to", "20/s", "--step", "1s", "--settle", "0s", "-q")
    ended = run("capacity", "works.toml", *options)
    assert ended.code in RAN, ended.err
    steps = [load_result(path.read_bytes(), path.name) for path in Path("reports").glob("*/step-*.json")]
    assert steps
    for step in steps:
        assert step.effects is not None
        assert (step.effects.problem, step.effects.gaps) == ("", 0)
        assert step.effects.done


def test_an_embedded_receiver_without_work_has_no_effects(run: Run) -> None:
    write()
    text = Path("works.toml").read_text(encoding="utf-8")
    Path("works.toml").write_text(text.replace("process", "# process").replace("lose", "#").replace("repeat", "#"))
    ended = run("run", "works.toml")
    assert ended.code == 2
    assert "effects: the embedded receiver does no work to be seen: set [receiver] process" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "embedded", "--effects-wait", "5s"], "only with --effects, or a scenario with [effects]"),
        (["run", "embedded", "--effects", "nowhere"], "effects.url"),
        (["run", "embedded", "--objective", "undone: count == 0"], "needs a source of effects"),
    ],
)
def test_what_makes_no_sense_is_one_line(run: Run, arguments: list[str], says: str) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert says in ended.err


def test_the_wait_of_a_scenario_can_be_another(run: Run) -> None:
    write()
    ended = run("run", "works.toml", "--effects-wait", "7s", "--check", "-q")
    assert ended.code == 0, ended.err


def test_a_backlog_beyond_its_limit_ends_the_run_early(run: Run) -> None:
    endpoint = Endpoint(most=0)
    Path("abort.toml").write_text(ABORT, encoding="utf-8")
    with serving(endpoint.handle) as url:
        text = ABORT.replace("EFFECTS", f"{url}/effects")
        Path("abort.toml").write_text(text, encoding="utf-8")
        ended = run("run", "abort.toml", "-t", url, *QUIETLY)
    assert ended.code == 99, ended.out
    result = stored()
    assert result["run"]["aborted"]["objective"] == "backlog: max < 50"
    assert 50 <= result["totals"]["sent"] < 50 * 3600
    assert re.search(r"ending the run: backlog: max < 50: \d+ acknowledged events were not done", ended.err)
