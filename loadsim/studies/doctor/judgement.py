"""What the properties of a machine mean for a load, and what to do about them."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.engine.descriptor_limit import RESERVED
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.model import NS_PER_MS
from loadsim.plan.scenario import ValidityRules
from loadsim.report import numbers
from loadsim.studies.doctor.result import Check, Figures, State

MANY_DESCRIPTORS, MANY_PORTS = 4096, 20_000
TIME_WAIT_S = 60
"""How long Linux keeps the port of a closed connection (TCP_TIMEWAIT_LEN)."""
LATE_NS = NS_PER_MS
"""A timer of an idle machine is 99 times in 100 earlier than that."""


def cores(usable: int, present: int, quota: float | None, load: float | None) -> Check:
    """`quota`: cores that a container may use up; `load`: programs that want a core now."""
    have = usable if quota is None else min(usable, quota)
    found = f"{usable} of {present} usable" + ("" if quota is None else f", a quota of {quota:g}")
    found += "" if load is None else f", load {load:.1f}"
    busy = load is not None and load > have
    state: State = "limit" if have < 1 else "note" if have < 2 or busy else "good"
    advice = ""
    if have < 2:
        advice = "give loadsim a core that the endpoint does not use: another machine, taskset, a higher quota"
    elif busy:
        advice = "end other programs: they take turns with the generator"
    return Check(
        name="cores",
        state=state,
        found=found,
        meaning="each generator process (-w) uses at most one core",
        advice=advice,
        figures={"usable": usable, "present": present, "quota": quota, "load": load},
    )


def descriptors(soft: int | None, hard: int | None) -> Check:
    """The limit of open files; None: there is none."""
    room = None if hard is None else max(0, hard - RESERVED)
    few = room is not None and room < MANY_DESCRIPTORS
    most = "any number of" if room is None else f"at most {room:,}"
    return Check(
        name="descriptors",
        state="limit" if few else "good",
        found=f"{_limit(soft)} (soft), {_limit(hard)} (hard)",
        meaning=f"{most} connections for each generator process; it raises the soft limit itself",
        advice="raise the hard limit: ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of Docker" if few else "",
        figures={"soft": soft, "hard": hard},
    )


def ports(first: int | None, last: int | None) -> Check:
    """The range of local ports for outgoing connections; None where it is not known."""
    number = None if first is None or last is None else last - first + 1
    if number is None:
        state, found, meaning, advice = _unknown("how many connections to one address can be open")
    else:
        few = number < MANY_PORTS
        state, found = ("note" if few else "good"), f"{number:,} ({first} to {last})"
        meaning = (
            f"at most {number:,} connections to one address at once; with --reuse 1 about {number // TIME_WAIT_S:,} "
            "new ones per second"
        )
        advice = "sysctl -w net.ipv4.ip_local_port_range='1024 65535', or reuse connections" if few else ""
    return Check(
        name="local ports",
        state=state,
        found=found,
        meaning=meaning,
        advice=advice,
        figures={"first": first, "last": last},
    )


def pacing(lags_ns: Sequence[int]) -> Check:
    """How late the timer fired, of many times."""
    ordered = sorted(lags_ns)
    if not ordered:
        state, found, meaning, advice = _unknown("how late events are released")
        return Check(
            name="pacing", state=state, found=found, meaning=meaning, advice=advice, figures=_lag_figures(None)
        )
    p50, p99, worst = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]
    limit = ValidityRules().lag
    shown = [numbers.milliseconds(ns / NS_PER_MS) for ns in (p50, p99, worst)]
    state = "limit" if worst > limit else "note" if p99 > LATE_NS else "good"
    quiet = "end other programs, or give loadsim cores of its own (taskset, another machine)"
    return Check(
        name="pacing",
        state=state,
        found=f"p50 {shown[0]}, p99 {shown[1]}, max {shown[2]} late",
        meaning=f"events are released this late; a pause of more than {numbers.milliseconds(limit / NS_PER_MS)} "
        "disturbs events and can make a run INVALID",
        advice="" if state == "good" else quiet,
        figures=_lag_figures((p50, p99, worst)),
    )


def floor(limits: GeneratorLimits | None) -> Check:
    """What `bench engine` measured on this machine, if it did."""
    names = ("rate_max", "service_p50_ms", "service_p99_ms")
    measured: Figures = {name: None if limits is None else getattr(limits, name) for name in names}
    if limits is None:
        found, advice = "not measured", "loadsim bench engine"
    else:
        least = numbers.milliseconds(limits.service_p50_ms)
        found, advice = f"{numbers.count(limits.rate_max)} signed events/s per process, service p50 {least}", ""
    return Check(
        name="floor",
        state="good" if limits is not None else "note",
        found=found,
        meaning="the highest rate and the least latency that loadsim itself can show here",
        advice=advice,
        figures=measured,
    )


def stamps(*, supported: bool) -> Check:
    """Whether the kernel stamps what a socket receives."""
    return Check(
        name="receive stamps",
        state="good" if supported else "note",
        found="supported" if supported else "not supported",
        meaning="the kernel says when an answer came, so that reading it late is not taken for latency"
        if supported
        else "how late answers are read is bounded by the loop's last look, and not known exactly",
        advice="" if supported else "run loadsim on Linux itself, not in a sandbox, for exact figures",
        figures={"supported": supported},
    )


def loop(version: str | None) -> Check:
    """The event loop."""
    return Check(
        name="event loop",
        state="good" if version else "limit",
        found=f"uvloop {version}" if version else "uvloop is missing",
        meaning="the generator and the receiver run on it",
        advice="" if version else "pip install uvloop",
        figures={"uvloop": version},
    )


def compiled_step(why_not: str) -> Check:
    """The compiled step of the hot path; `why_not`: why it is not used, empty where it is."""
    return Check(
        name="compiled step",
        state="note" if why_not else "good",
        found=why_not or "in use",
        meaning="events are made, sent and read in Python alone" if why_not else "an event costs less processor time",
        advice="docs/compiled-step.md says how to build it, if one core is not enough" if why_not else "",
        figures={"compiled": not why_not},
    )


def optional(name: str, purpose: str, missing: Sequence[str], remedy: str) -> Check:
    """An optional part; `missing`: its packages that are not installed."""
    return Check(
        name=f"extra {name}",
        state="note" if missing else "good",
        found=f"without {', '.join(missing)}" if missing else "installed",
        meaning=purpose,
        advice=remedy if missing else "",
        figures={"installed": not missing},
    )


def _limit(number: int | None) -> str:
    return "no limit" if number is None else f"{number:,}"


def _unknown(what: str) -> tuple[State, str, str, str]:
    return "note", "not known", what, ""


def _lag_figures(lags_ns: tuple[int, int, int] | None) -> Figures:
    values = (None, None, None) if lags_ns is None else [ns / NS_PER_MS for ns in lags_ns]
    return dict(zip(("p50_ms", "p99_ms", "max_ms"), values, strict=True))
