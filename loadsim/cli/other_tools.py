"""What users of other load testers type first, and how loadsim says it.

Looked up only for what a command does not know: k6, vegeta, hey, oha, wrk, Locust and ab name the same things in other
ways, and some of their letters mean something else here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from loadsim.spelling import nearest

_USERS = "a closed load of N users is -c N"
_EVENTS = "a number of events is -n N"
_RATE = "a rate is -r 200/s"
_DURATION = "a duration is -d 30s"
_BODY = "a body of your own is --payload FILE, and each built-in event is different by itself"
_POST = "events are sent by POST, as webhooks are"
_HEADER = "a header is -H 'Content-Type: application/json'"
_TARGET = "the target is an argument: loadsim run http://localhost:3000/webhooks"
_PHASES = "phases and ramps are written in a scenario: loadsim scenarios copy stress"
_OBJECTIVE = "a limit is --objective 'p(95) < 250ms'"
_HTML = "every run saves report.html; loadsim report latest --format html writes it again"
_RESULT = "every run saves its result under --out DIR; --json FILE writes it to one file"
_KEPT = "connections stay open by themselves; --reuse 1 opens one for each event"
_TRUST = "connections stay open by themselves; a certificate of your own is trusted with --cacert FILE"
_OWN_TRUST = "a certificate of your own is trusted with --cacert FILE"
_PROXY = "a proxy is --proxy http://HOST:PORT with --transport aiohttp"
_QUIET = "-q leaves out the progress"
_REDIRECTS = "redirects are never followed"
_ACCESS = "credentials are a header: -H 'Authorization: env:MY_TOKEN'"
_CONNECT = "another address than the URL's is --connect-to HOST:PORT"
_HANDS = "several machines are a cluster: loadsim run steady --cluster tcp://HOST:PORT"
_PROCESSES = "generator processes are -w N"
_SHOWN = "percentiles are in every report"
_HTTP2 = "HTTP/2 is --http2"
_TIMEOUT = "the time of an event, connecting included, is --timeout 10s"
_FORMAT = "every run saves every format; loadsim report latest --format md writes one again"
_COOKIE = "a cookie is a header: -H 'Cookie: env:MY_COOKIE'"

OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(("--vus", "--concurrency", "--users", "--max-vus", "--max-workers", "--max-connections"), _USERS),
    **dict.fromkeys(("--requests", "--iterations", "--num", "--number", "--amount", "-i"), _EVENTS),
    **dict.fromkeys(("--rps", "--qps", "--throughput", "--query-per-second", "-R"), _RATE),
    **dict.fromkeys(("-z", "--run-time", "--time", "--timelimit"), _DURATION),
    **dict.fromkeys(("--body", "--data", "--data-binary", "-D", "-b", "-p", "--body-file"), _BODY),
    **dict.fromkeys(("-m", "-X", "--method", "--request"), _POST),
    **dict.fromkeys(("-T", "--content-type"), _HEADER),
    "-u": f"{_USERS}; {_TARGET}",
    **dict.fromkeys(("--url", "--host", "--targets"), _TARGET),
    **dict.fromkeys(("--stage", "--stages", "-s", "--ramp-up", "--spawn-rate", "--script", "-f"), _PHASES),
    **dict.fromkeys(("--threshold", "--thresholds", "--slo", "--sla"), _OBJECTIVE),
    **dict.fromkeys(("--html", "--html-report", "--web-dashboard"), _HTML),
    **dict.fromkeys(("-o", "--output", "--summary-export", "--csv", "--output-format", "-g", "--print"), _RESULT),
    **dict.fromkeys(("--keepalive", "--no-keepalive", "--disable-keepalive"), _KEPT),
    **dict.fromkeys(("-k",), _TRUST),
    **dict.fromkeys(("--insecure-skip-tls-verify", "--skip-verify", "--no-verify", "--root-certs"), _OWN_TRUST),
    **dict.fromkeys(("--no-tls-verify", "--tls-skip-verify", "--no-check-certificate"), _OWN_TRUST),
    **dict.fromkeys(("-x", "--http-proxy"), _PROXY),
    **dict.fromkeys(("--no-tui", "--headless", "--only-summary", "--silent", "--no-progress"), _QUIET),
    **dict.fromkeys(("--redirects", "--redirect", "--disable-redirects", "--max-redirects"), _REDIRECTS),
    **dict.fromkeys(("-a", "-A", "--auth", "--basic-auth"), _ACCESS),
    **dict.fromkeys(("--resolve", "--dns"), _CONNECT),
    **dict.fromkeys(("--master", "--worker", "--master-host", "--expect-workers"), _HANDS),
    **dict.fromkeys(("--threads", "--cpus", "--processes"), _PROCESSES),
    **dict.fromkeys(("--latency", "--latencies", "--summary-trend-stats"), _SHOWN),
    **dict.fromkeys(("-2", "--h2", "--http2-prior-knowledge"), _HTTP2),
    **dict.fromkeys(("--connect-timeout", "--max-time"), _TIMEOUT),
    **dict.fromkeys(("--format",), _FORMAT),
    **dict.fromkeys(("--cookie", "--cookies", "-C"), _COOKIE),
}
"""Option of another tool → what is written here."""

COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("attack", "start", "test", "load", "fire", "execute", "bombard", "stress", "swarm"), "run"),
    **dict.fromkeys(("send", "trigger", "request", "post"), "simulate"),
    **dict.fromkeys(("serve", "server", "listen"), "receive"),
    **dict.fromkeys(("list", "ls", "history", "results"), "runs"),
    **dict.fromkeys(("verify", "sign"), "schemes"),
    **dict.fromkeys(("ui", "web", "serve-ui"), "dashboard"),
    **dict.fromkeys(("inspect", "archive", "summary", "plot", "show", "view", "open"), "report"),
    **dict.fromkeys(("config", "new", "setup"), "init"),
}
"""Command of another tool → ours."""

NEVER = "--insecure"
"""No hint names an option that begins like this: who needs it looks for it."""


LOADS = ("run", "capacity", "ab")
"""The commands that send load, and have the options that the hints name."""


def of_command(name: str, known: Iterable[str]) -> str:
    """The hint behind a command that does not exist; empty without one."""
    if "://" in name:
        return ": a load is loadsim run URL, and one event is loadsim simulate URL"
    if name in ("help", "version"):
        return f": did you mean loadsim --{name}?"
    if name in ("check", "validate"):
        return ": did you mean loadsim run SCENARIO --check?"
    meant = COMMANDS.get(name) or nearest(name, known)
    return f": did you mean loadsim {meant}?" if meant else ""


def of_option(option: str, near: Iterable[str] | None, *, sends_load: bool) -> str:
    """The hint behind an option that a command does not know, `near` by click's own comparison; empty without one."""
    if sends_load and option in OPTIONS:
        return f": {OPTIONS[option]}"
    if option.startswith(NEVER[:7]):
        return f": {_OWN_TRUST}"
    name = next((name for name in near or () if not name.startswith(NEVER)), None)
    return f": did you mean {name}?" if name else ""


def of_words(words: Sequence[str], known: Collection[str]) -> str:
    """The hint behind a line that was refused, by all words of it; `known`: the options of the command.

    As long options with one dash, as in vegeta, are read as short ones, and `-t 30` as a target, the message itself is
    about something else. Empty where there is nothing of the kind.
    """
    for word, after in pairwise([*words, ""]):
        name = f"-{word.partition('=')[0]}"
        if len(name) > len("--x") and word.startswith("-") and not word.startswith("--"):
            if name.startswith(NEVER):
                return f"; {_OWN_TRUST}"
            if name in known:
                return f"; a long option begins with two dashes: {name}"
            if name in OPTIONS:
                return f"; {OPTIONS[name]}"
        if word == "-t" and after.isdecimal():
            return f"; a timeout is --timeout {after}s, {_PROCESSES}"
    return ""


def of_argument(text: str, words: Sequence[str]) -> str:
    """The hint behind an argument too many: a number without the option that it belongs to. `words`: the whole line;
    the `-q 50` of hey is a rate."""
    for word, after in pairwise(words):
        if word == "-q" and after.isdecimal():
            return f": {_QUIET}, and a rate is -r {after}/s"
    return f": -n {text} events, -c {text} users, -r {text}/s or -d {text}s?" if text.isdecimal() else ""
