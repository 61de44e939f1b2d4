"""A run against an endpoint that asks the provider's own library: genuine events are accepted, forged ones refused.

    python -m tests.benchmarks.providers         (--events 200 for a quick look, --only paypal for one provider)

Each provider gets two runs of the real command over HTTP on loopback: one of genuine events alone, one of forged ones
alone. The endpoint answers 200 where the library accepts the delivery, and 401 where it does not. This counts answers;
it measures no speed. It needs the extra `interop`, and the packages of tests/signing/node.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.events import event_type
from loadsim.model import Secret
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme
from tests.benchmarks import common
from tests.signing import provider_libraries as libraries

EVENTS = 10_000
VARIABLE = "LOADSIM_PROVIDER_SECRET"
FORGED = (
    "wrong_secret", "missing_signature", "tampered_body", "key_pair_forgery", "foreign_certificate", "other_algorithm",
)  # fmt: skip
Judge = Callable[[dict[str, str], bytes], Awaitable[bool]]


class NodeLibraries:
    """The process that asks the libraries for Node, one delivery at a time."""

    def __init__(self, kind: str, given: libraries.Given) -> None:
        self._kind, self._given = kind, given
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def judge(self, headers: dict[str, str], body: bytes) -> bool:
        """Whether the library accepts the delivery."""
        request = json.dumps(libraries.node_request(self._kind, self._given, headers, body)) + "\n"
        async with self._turn:
            if self._process is None:
                self._process = await asyncio.create_subprocess_exec(
                    "node",
                    "interop.mjs",
                    cwd=libraries.NODE,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    limit=1 << 20,
                )
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None and stdout is not None  # noqa: PT018 - pipes were asked for
            stdin.write(request.encode())
            await stdin.drain()
            answer: dict[str, Any] = json.loads(await stdout.readline())
        return bool(answer["genuine"])

    async def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


def judge_of(kind: str, given: libraries.Given) -> tuple[Judge, NodeLibraries | None]:
    """The library's answer about deliveries of an event type."""
    if kind in libraries.NODE_LIBRARIES:
        node = NodeLibraries(kind, given)
        return node.judge, node
    check = libraries.PYTHON[kind].check(given)

    async def judge(headers: dict[str, str], body: bytes) -> bool:
        return libraries.accepted(check, headers, body)

    return judge, None


class Endpoint:
    """An endpoint on loopback, in a thread of its own."""

    def __init__(self, kind: str, given: libraries.Given, port: int) -> None:
        self._kind, self._given, self._port = kind, given, port
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        judge, node = judge_of(self._kind, self._given)

        async def answer(request: web.Request) -> web.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            is_genuine = await judge(headers, await request.read())
            return web.Response(status=200 if is_genuine else 401)

        app = web.Application()
        app.router.add_post("/hooks", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()
        if node is not None:
            await node.stop()


def scenario(kind: str, url: str, events: int, forged: tuple[str, ...]) -> str:
    """As a file: genuine events, or those of the forged kinds alone."""
    name = event_type(kind).scheme
    lines = ['name = "provider"', "[target]", f'url = "{url}"', f'secret_env = "{VARIABLE}"', 'timeout = "30s"']
    if name.startswith("aws-sns"):
        lines += ['scheme = "custom"', "[target.custom]", f'like = "{name}"']
        lines += [f'certificate_url = "{libraries.SNS_URL}"']
    else:
        lines += [f'scheme = "{name}"']
    lines += ["[[events]]", f'type = "{kind}"', "weight = 1"]
    for each in forged:
        lines += ["[[cases]]", f'kind = "{each}"', f"share = {1 / len(forged):.12f}"]
    return "\n".join((*lines, "[[phases]]", 'name = "load"', "connections = 8", f"events = {events}"))


def counted(kind: str, given: libraries.Given, events: int, forged: tuple[str, ...], directory: str) -> dict[str, Any]:
    """One run: events sent, and answered 2xx."""
    file, out = Path(directory) / "run.toml", Path(directory) / "result.json"
    file.write_text(scenario(kind, given.url, events, forged), encoding="utf-8")
    command = common.loadsim("run", str(file), "-q", "--json", str(out), "--out", directory, "--seed", "1")
    done = subprocess.run(
        command,
        cwd=common.ROOT,
        env=common.child_environment({VARIABLE: given.text}),
        capture_output=True,
        text=True,
        check=False,
    )
    if not out.exists():
        sys.exit(f"{kind}: {done.stderr}")
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    out.unlink()
    by_case = found["by_case"] if forged else {"genuine": found["totals"]}
    return {
        "sent": sum(case["sent"] for case in by_case.values()),
        "accepted": sum(case["succeeded"] for case in by_case.values()),
        "by_case": {case: {"sent": part["sent"], "accepted": part["succeeded"]} for case, part in by_case.items()},
    }


def run(kind: str, events: int) -> dict[str, Any]:
    """Both runs of one provider."""
    name = event_type(kind).scheme
    described = scheme(name)
    # Contentful's library takes secrets of this length only; Plivo's row is for URLs without a query.
    secret = Secret("5f" * 32) if name == "contentful" else new_secret(described)
    port = common.free_port()
    query = "" if name == "plivo" else "?data.id=a-7"
    given = libraries.Given(name, secret, f"http://127.0.0.1:{port}/hooks{query}")
    forged = tuple(each for each in FORGED if not CASE_KINDS[each].problem(described))
    library = libraries.node_name(kind) if kind in libraries.NODE_LIBRARIES else libraries.PYTHON[kind].name
    with tempfile.TemporaryDirectory() as directory, Endpoint(kind, given, port):
        genuine = counted(kind, given, events, (), directory)
        tampered = counted(kind, given, events, forged, directory)
    return {"provider": described.title, "type": kind, "library": library, "genuine": genuine, "forged": tampered}


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    rows = [
        (
            f"{each['provider']} (`{each['type']}`): {each['library']}",
            f"{each['genuine']['sent']:,}",
            f"{each['genuine']['accepted']:,}",
            f"{each['forged']['sent']:,}",
            f"{each['forged']['accepted']:,}",
        )
        for each in found["runs"]
    ]
    head = ("provider (event): library that judges", "sent", "accepted", "forged sent", "forged accepted")
    return "\n".join(
        (
            "# Runs against the providers' own libraries\n",
            f"{common.environment_note(found['environment'])}\n",
            (
                "`python -m tests.benchmarks.providers` (`--only paypal` for one row): for each row two runs of "
                "`loadsim run` over HTTP on loopback, against an endpoint that asks the library of the row and answers "
                "200 or 401. The forged events are those of the kinds "
                f"{', '.join(f'`{kind}`' for kind in FORGED)} that the scheme has, in equal shares.\n"
            ),
            common.table(head, rows),
            (
                "paypalrestsdk gets its certificate from the test, with its issuer among those that are trusted, and "
                "`OpenSSL.crypto.verify`, which pyOpenSSL has dropped since; sns-validator gets the certificate in "
                "place of the fetch.\n"
            ),
        )
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"events per run (default {EVENTS:,})")
    parser.add_argument("--only", default="", help="event types that begin with this")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where providers.json and .md go")
    given = parser.parse_args()
    if given.events < 1:
        parser.error("give at least 1 event")
    warnings.simplefilter("ignore")
    kinds = [kind for kind in (*libraries.PYTHON, *libraries.NODE_LIBRARIES) if kind.startswith(given.only)]
    runs = []
    for kind in kinds:
        found = run(kind, given.events)
        common.say(
            f"{kind}: {found['genuine']['accepted']:,} of {found['genuine']['sent']:,} accepted, "
            f"forged {found['forged']['accepted']:,} of {found['forged']['sent']:,}"
        )
        runs.append(found)
    result = {"environment": common.environment(), "runs": runs}
    common.write(given.out, "providers", result, md=markdown(result))
    if any(each["genuine"]["accepted"] != each["genuine"]["sent"] or each["forged"]["accepted"] for each in runs):
        sys.exit(99)


if __name__ == "__main__":
    main()
