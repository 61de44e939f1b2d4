"""Rules between the keys of a scenario, and of texts that a type cannot describe.

Each check raises DocumentError with the key and the reason. Known names (event types, signature schemes, kinds of
cases) are arguments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from loadsim.model import UsageError
from loadsim.plan.arrivals import PROCESSES, process_of
from loadsim.plan.case_rules import check_cases, check_shares
from loadsim.plan.effects import Effects, check_effects
from loadsim.plan.headers import Headers, header_pairs
from loadsim.plan.retry_schedule import check_retry
from loadsim.plan.scenario import CUSTOM_SCHEME, EMBEDDED, CaseRule, EventMix, Phase, Scenario, Target
from loadsim.plan.trace import check_trace
from loadsim.plan.typed_document import DocumentError, suggestion
from loadsim.plan.units import UnitError, parse_size
from loadsim.plan.watches import Watch, check_watches

MAX_RATE = 10**8
"""Highest rate, events per second: more than any machine can send."""
MAX_DURATION_NS = 366 * 24 * 3600 * 10**9
MAX_CONNECTIONS = 10**6
"""Most connections: more than the ports and descriptors of one machine."""
MAX_EVENTS = 10**14
"""Most events of a run, and most requests of a connection: more than any run needs."""

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""A valid name of an environment variable."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HOST_AND_PORT = re.compile(r"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}(/\S*)?")
_LONGEST_UNIX = 107
_FRAMING = {
    "content-length": "is set by the request itself",
    "transfer-encoding": "is set by the request itself",
    "expect": "asks for permission to send the body, which is sent without waiting",
}
"""Headers that cannot be given, and why."""
_SECRET_KEYS = {"secret", "signing_secret", "secret_key", "password", "token"}
_UNNAMEABLE = re.compile(r"[{},\x00-\x1f\x7f]")


def check(
    scenario: Scenario,
    *,
    known_types: Collection[str] | None,
    known_schemes: Collection[str] | None,
    known_cases: Mapping[str, CaseRule] | None,
) -> None:
    """Every rule over a whole scenario; names are not checked where the set of known names is None."""
    if not scenario.name.strip():
        raise DocumentError("name", "is empty")
    check_target("target", scenario.target, known_schemes)
    check_events(scenario.events, known_types)
    check_phases(scenario.phases)
    _check_captures(scenario)
    check_cases(scenario.cases, known_cases)
    check_shares(scenario)
    if scenario.validity.lag <= 0:
        raise DocumentError("validity.lag", "must be more than 0")
    _check_receiver(scenario)
    _check_retries(scenario)
    if scenario.trace is not None:
        check_trace(scenario.trace, scenario.target.headers)
    if scenario.effects is not None:
        embedded = scenario.target.url == EMBEDDED
        check_effects(scenario.effects, embedded=embedded)
        works = scenario.receiver is not None and scenario.receiver.process is not None
        if embedded and not works and scenario.effects.source == "http" and scenario.effects.url is None:
            raise DocumentError("effects", "the embedded receiver does no work to be seen: set [receiver] process")
        _check_source(scenario.effects)
    check_watches(scenario.watch)
    for number, watch in enumerate(scenario.watch):
        _check_watched(f"watch[{number}]", watch)


def _check_source(effects: Effects) -> None:
    """Rules of the texts that name a source of effects."""
    if effects.url is not None:
        check_url("effects.url", effects.url)
    if effects.dsn_env is not None:
        _check_variable("effects.dsn_env", effects.dsn_env)
    check_headers("effects.headers", effects.headers)


def _check_watched(path: str, watch: Watch) -> None:
    """Rules of the texts that name what is watched."""
    if watch.url is not None:
        check_url(f"{path}.url", watch.url)
    if watch.dsn_env is not None:
        _check_variable(f"{path}.dsn_env", watch.dsn_env)
    check_headers(f"{path}.headers", watch.headers)


def _check_captures(scenario: Scenario) -> None:
    """Recorded arrivals need exactly one capture, for the due times and bodies."""
    for number, phase in enumerate(scenario.phases):
        captured = not process_of(phase).has_rate
        if captured and (len(scenario.events) != 1 or scenario.events[0].payloads is None):
            raise DocumentError(f"phases[{number}].arrivals", "needs exactly one [[events]], with payloads")


def _check_retries(scenario: Scenario) -> None:
    if scenario.retry is None:
        return
    check_retry(scenario.retry)
    if any(phase.model == "closed" for phase in scenario.phases):
        raise DocumentError("retry", "goes with phases that have a rate: a closed phase has no due times")
    if scenario.target.overflow == "drop":
        raise DocumentError("retry", 'goes with overflow = "queue" only: a provider does not drop events')


def _check_receiver(scenario: Scenario) -> None:
    if scenario.receiver is None:
        return
    if scenario.target.url != EMBEDDED:
        raise DocumentError(
            "receiver", f'goes with url = "{EMBEDDED}" only: the behaviour of other endpoints cannot be set'
        )
    try:
        scenario.receiver.check()
    except UsageError as error:
        raise DocumentError("receiver", str(error)) from None


def check_target(path: str, target: Target, known_schemes: Collection[str] | None) -> None:
    """Rules of `[target]`, and of an endpoint, which has the same keys."""
    if target.url != EMBEDDED:
        check_url(f"{path}.url", target.url, f' (or "{EMBEDDED}" for the companion receiver)')
    for key in ("public_url", "ledger"):
        value = getattr(target, key)
        if value is not None:
            check_url(f"{path}.{key}", value)
    if target.ledger is not None and target.url == EMBEDDED:
        raise DocumentError(f"{path}.ledger", "the embedded receiver's own ledger is read: leave this out")
    if target.ledger is not None and not target.trace_header:
        raise DocumentError(f"{path}.ledger", "needs trace_header = true: a ledger identifies events by X-Loadsim-Id")
    if (target.scheme == CUSTOM_SCHEME) != (target.custom is not None):
        if target.custom is None:
            raise DocumentError(f"{path}.scheme", f'is "custom": describe it in [{path}.custom]')
        raise DocumentError(f"{path}.custom", 'goes with scheme = "custom" only')
    if known_schemes is not None and target.scheme not in (*known_schemes, CUSTOM_SCHEME):
        hint = suggestion(target.scheme, known_schemes)
        raise DocumentError(f"{path}.scheme", f'no such signature scheme: "{target.scheme}"{hint} (loadsim schemes)')
    _check_secrets(path, target)
    if not 0 < target.timeout <= MAX_DURATION_NS:
        raise DocumentError(f"{path}.timeout", "must be more than 0 and at most a year")
    if target.drain is not None and not 0 <= target.drain <= MAX_DURATION_NS:
        raise DocumentError(f"{path}.drain", "must be between 0 and a year")
    _check_most(f"{path}.connections", target.connections, MAX_CONNECTIONS)
    _check_most(f"{path}.reuse", target.reuse, MAX_EVENTS)
    _check_tls(path, target)
    check_headers(f"{path}.headers", target.headers)
    _check_route(path, target)
    _check_http(path, target)


def _check_tls(path: str, target: Target) -> None:
    if target.insecure and target.cacert is not None:
        raise DocumentError(f"{path}.cacert", "insecure = true checks no certificate: keep one of them")
    if target.key is not None and target.cert is None:
        raise DocumentError(f"{path}.key", "needs the certificate that it belongs to: cert")
    if target.key_password_env is not None:
        _check_variable(f"{path}.key_password_env", target.key_password_env)
        if target.cert is None:
            raise DocumentError(f"{path}.key_password_env", "needs the certificate whose key it opens: cert")


def _check_most(key: str, count: int | None, most: int) -> None:
    if count is not None and count > most:
        raise DocumentError(key, f"must be at most {most:,}")


def _check_route(path: str, target: Target) -> None:
    """At most one of connect_to, unix and proxy, and only with a transport that supports it."""
    ways = {"connect_to": target.connect_to, "unix": target.unix, "proxy": target.proxy}
    given = [key for key, value in ways.items() if value is not None]
    if not given:
        return
    key = f"{path}.{given[0]}"
    if len(given) > 1:
        raise DocumentError(key, f"{given[1]} is given too: keep one of them")
    if target.url == EMBEDDED:
        raise DocumentError(key, "the embedded receiver is reached directly")
    if target.proxy is not None:
        check_url(key, target.proxy)
        if not target.proxy.lower().startswith("http://"):
            raise DocumentError(key, "a proxy is used over unencrypted HTTP: its URL begins with http://")
    elif target.transport == "aiohttp":
        raise DocumentError(key, "goes with the direct transport only")
    if target.connect_to is not None:
        check_address(key, target.connect_to)
    if target.unix is not None and not 0 < len(target.unix.encode()) <= _LONGEST_UNIX:
        raise DocumentError(key, f"the path of a unix socket has 1 to {_LONGEST_UNIX} bytes")


def _check_http(path: str, target: Target) -> None:
    """HTTP/2 is spoken by the direct transport."""
    if target.http == "1.1":
        if target.streams is not None:
            raise DocumentError(f"{path}.streams", 'goes with http = "2" or "auto" only')
        return
    key = f"{path}.http"
    if target.transport == "aiohttp" or target.proxy is not None:
        raise DocumentError(key, "HTTP/2 goes with the direct transport only, and through no proxy")
    if target.url == EMBEDDED and target.http == "2":
        raise DocumentError(key, "the embedded receiver speaks HTTP/1.1: put it behind a server that speaks HTTP/2")
    _check_most(f"{path}.streams", target.streams, MAX_CONNECTIONS)


def check_address(key: str, text: str) -> None:
    """`HOST:PORT`, an IPv6 host in brackets."""
    try:
        parts = urlsplit(f"//{text}")
        usable = bool(parts.hostname) and bool(parts.port) and parts.netloc == text and "@" not in text
    except ValueError:
        usable = False
    if not usable:
        raise DocumentError(key, "is HOST:PORT, such as 127.0.0.1:8443 or [::1]:8443")


def _check_secrets(path: str, target: Target) -> None:
    for name in ("secret", "old_secret"):
        variable, file = getattr(target, f"{name}_env"), getattr(target, f"{name}_file")
        if variable is not None and file is not None:
            raise DocumentError(f"{path}.{name}_file", f"{name}_env is given too: keep one of them")
        if variable is not None:
            _check_variable(f"{path}.{name}_env", variable)


def _check_variable(key: str, name: str) -> None:
    if VARIABLE_NAME.fullmatch(name) is None:
        raise DocumentError(key, "is the name of an environment variable: letters, digits and _")


def refuse_secrets(path: str, table: object) -> None:
    """Refuse keys that look like the secret itself, and explain where secrets are given."""
    for key in sorted(_SECRET_KEYS & set(table)) if isinstance(table, dict) else ():
        raise DocumentError(
            f"{path}.{key}",
            "a secret must not be in a file like this: name its variable in secret_env, or its file in secret_file",
        )


def with_scheme(url: str) -> str:
    """A URL as users type it: `localhost:3000/hooks` is `http://localhost:3000/hooks`. Files say it in full."""
    return f"http://{url}" if _HOST_AND_PORT.fullmatch(url) else url


def check_url(key: str, url: str, alternative: str = "", example: str = "https://example.test/webhooks") -> None:
    """An absolute http or https URL with a host. The message never repeats the URL: it may hold credentials."""
    need = f"needs an absolute URL such as {example}{alternative}"
    if with_scheme(url) != url:
        need = "begins with its scheme: write http:// or https:// before the host"
    if re.search(r"[\x00-\x20\x7f]", url):
        raise DocumentError(key, "holds a space or a control character")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise DocumentError(key, "is not a URL: its host cannot be read") from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise DocumentError(key, need)
    try:
        port_is_usable = parts.port != 0
    except ValueError:
        port_is_usable = False
    if not port_is_usable:
        raise DocumentError(key, "the port is not a number from 1 to 65535")


def check_headers(key: str, headers: Headers) -> None:
    """Names are HTTP tokens, values have no line break, and none changes the framing of the message."""
    for name, value in header_pairs(headers):
        if _HEADER_NAME.fullmatch(name) is None:
            raise DocumentError(key, f"{name!r} is not the name of an HTTP header")
        if name.lower() in _FRAMING:
            raise DocumentError(f"{key}.{name}", f"{_FRAMING[name.lower()]} and cannot be given")
        problem = header_value_problem(value)
        if problem:
            raise DocumentError(f"{key}.{name}", f"the value {problem}")


def header_value_problem(value: str) -> str | None:
    """Why a text cannot be the value of a header, or None. The text itself is not repeated."""
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "holds a line break or a control character"
    return "cannot be encoded as UTF-8" if re.search(r"[\ud800-\udfff]", value) else None


def check_events(events: tuple[EventMix, ...], known_types: Collection[str] | None) -> None:
    """Rules of `[[events]]`: known types, each once, at least one with a weight."""
    if not events:
        raise DocumentError("events", "the mix is empty: name at least one event type")
    seen: set[str] = set()
    for number, event in enumerate(events):
        path = f"events[{number}]"
        if event.payloads is not None:
            _check_payloads(path, event)
        elif known_types is not None and event.type not in known_types:
            hint = suggestion(event.type, known_types)
            raise DocumentError(f"{path}.type", f'no such event type: "{event.type}"{hint}')
        if event.type in seen:
            raise DocumentError(f"{path}.type", f'"{event.type}" is in the mix twice: give it one weight')
        seen.add(event.type)
        if not math.isfinite(event.weight):
            raise DocumentError(f"{path}.weight", "must be a finite number")
        check_image(f"{path}.image", event.image)
    if not any(event.weight for event in events):
        raise DocumentError("events", "every weight is 0: give at least one type a weight above 0")


def _check_payloads(path: str, event: EventMix) -> None:
    """Rules of an `[[events]]` with recorded bodies: they are sent unchanged, under any name."""
    if not event.type.strip() or any(char in "{}," or not char.isprintable() for char in event.type):
        raise DocumentError(f"{path}.type", "must be a text without braces, commas and control characters")
    if event.set or event.image != "placeholder" or not event.simulation:
        raise DocumentError(f"{path}.payloads", "is sent byte for byte: leave set, image and simulation out")


def check_image(key: str, image: str) -> None:
    """`placeholder`, `buffer:SIZE` or `base64:SIZE`."""
    form, colon, size = image.partition(":")
    if image == "placeholder":
        return
    if form not in {"buffer", "base64"} or not colon:
        raise DocumentError(key, f'"{image}" is not one of "placeholder", "buffer:64KB", "base64:64KB"')
    try:
        parse_size(size)
    except UnitError as error:
        raise DocumentError(key, str(error)) from None


def check_phases(phases: tuple[Phase, ...]) -> None:
    """Rules of each phase, and of all phases together."""
    if not phases:
        raise DocumentError("phases", "there is none: give at least one [[phases]]")
    names: set[str] = set()
    for number, phase in enumerate(phases):
        path = f"phases[{number}]"
        if not phase.name.strip() or _UNNAMEABLE.search(phase.name):
            raise DocumentError(f"{path}.name", "must be a text without braces, commas and control characters")
        if phase.name in names:
            raise DocumentError(f"{path}.name", f'another phase is called "{phase.name}": names must differ')
        names.add(phase.name)
        _check_arrivals(path, phase)
        if phase.model == "closed":
            _check_closed(path, phase, last=number == len(phases) - 1)
        else:
            _check_open(path, phase)
        if phase.duration is not None and not 0 < phase.duration <= MAX_DURATION_NS:
            raise DocumentError(f"{path}.duration", "must be more than 0 and at most a year")
    recorded = [phase for phase in phases if phase.record]
    if not recorded:
        raise DocumentError("phases", "every phase has record = false: at least one must be recorded")
    if len({phase.model for phase in recorded}) > 1:
        raise DocumentError(
            "phases", "recorded phases are of one model: all with rate (open) or all with connections (closed)"
        )
    if recorded[0].model == "open" and not any(
        not process_of(phase).has_rate or process_of(phase).mean(phase) for phase in recorded
    ):
        raise DocumentError("phases", "no event is due in any recorded phase: raise a rate or a duration")


def _check_arrivals(path: str, phase: Phase) -> None:
    """A known process, and none of the keys of others."""
    if phase.arrivals not in PROCESSES:
        raise DocumentError(f"{path}.arrivals", f'"{phase.arrivals}" is not one of {", ".join(sorted(PROCESSES))}')
    for name, process in PROCESSES.items():
        for key in process.keys:
            if getattr(phase, key) is not None and phase.arrivals != name:
                raise DocumentError(f"{path}.{key}", f'goes with arrivals = "{name}" only')


def _check_closed(path: str, phase: Phase, *, last: bool) -> None:
    for key, value in (("rate", phase.rate), ("from", phase.from_), ("to", phase.to)):
        if value is not None:
            raise DocumentError(f"{path}.{key}", "connections (closed model) is given too: keep one of them")
    _check_most(f"{path}.connections", phase.connections, MAX_CONNECTIONS)
    _check_most(f"{path}.events", phase.events, MAX_EVENTS)
    if phase.arrivals != "constant":
        raise DocumentError(f"{path}.arrivals", "a closed phase has no arrivals of its own: it needs a rate")
    if phase.duration is None and not (phase.events is not None and last):
        hint = ", or events in the last phase" if last else ""
        raise DocumentError(f"{path}.duration", f'is missing: give one such as "30s"{hint}')


def _check_open(path: str, phase: Phase) -> None:
    process = process_of(phase)
    if process.has_rate:
        _check_rate(path, phase)
    process.check(path, phase)


def _check_rate(path: str, phase: Phase) -> None:
    if phase.rate is None and phase.from_ is None and phase.to is None:
        raise DocumentError(path, "needs rate, or from and to (open model), or connections (closed model)")
    if phase.rate is not None and (phase.from_ is not None or phase.to is not None):
        raise DocumentError(f"{path}.rate", "from/to (a ramp) is given too: keep one of them")
    if phase.rate is None and phase.from_ is None:
        raise DocumentError(f"{path}.to", "a ramp needs from too")
    if phase.rate is None and phase.to is None:
        raise DocumentError(f"{path}.from", "a ramp needs to too")
    for key, rate in (("rate", phase.rate), ("from", phase.from_), ("to", phase.to)):
        if rate is not None and not 0 <= rate <= MAX_RATE:
            raise DocumentError(f"{path}.{key}", f"must be between 0 and {MAX_RATE}/s")
    if phase.events is not None:
        raise DocumentError(f"{path}.events", "goes with connections only: a rate and a duration give the count")
    if phase.duration is None:
        raise DocumentError(f"{path}.duration", 'is missing: give one such as "30s"')
