"""What a seed means, kept: due times, types, cases, headers and bodies of the first events of seed 7.

A stored seed must give the same bytes with every later version. The files say which: a difference means that runs
cannot be repeated any more, and belongs into the changelog. `python -m tests.golden` writes them again.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadsim.cases import by_part, case_rules, request_maker
from loadsim.events import catalogue
from loadsim.inputs.values import types_of
from loadsim.model import NS_PER_MS, Capture, RecordedEvent, Secret
from loadsim.plan import Plan, RunSpec, from_document
from loadsim.plan.providers import PROVIDERS
from loadsim.plan.retry_schedule import Retry, policy_of
from loadsim.signing import scheme, scheme_names
from tests.plan.support import TYPES

GOLDEN = Path(__file__).parent / "golden"
SEED = 7
EPOCH_NS = 1_777_885_800 * 10**9
"""2026-05-04T09:10:00Z: events are dated by it and their due times, as with `--epoch`."""
KEYS = {"hex": "5f" * 32}
SECRET, OLD_SECRET = (Secret(f"whsec_{'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa' + end}") for end in ("Sw", "Qg"))
EVENTS = 6
"""Of each phase."""
FAR = 2 * 4096 - 2
"""The first of some events around the end of a block of random numbers."""
CAPTURE = tuple(
    RecordedEvent(b'{"order":%d}' % number, "order.paid", EPOCH_NS + ms * 10**6)
    for number, ms in enumerate((0, 30, 35))
)
STEADY: dict[str, Any] = {"name": "steady", "duration": "1h", "rate": "40/s"}
MIX = [{"type": name, "weight": weight} for name, weight in zip(TYPES, (3, 1, 0.5), strict=True)]
SCENARIOS: dict[str, dict[str, Any]] = {
    "constant": {"phases": [STEADY], "events": MIX},
    "poisson": {"phases": [{**STEADY, "arrivals": "poisson"}], "target": {"scheme": "stripe"}},
    "ramp": {
        "phases": [{"name": "up", "duration": "2m", "from": "1/s", "to": "90/m"}, {**STEADY, "rate": "7/m"}],
        "target": {"scheme": "github"},
    },
    "burst": {
        "phases": [{**STEADY, "rate": "1/s", "arrivals": "burst", "burst": "4s"}],
        "target": {"scheme": "standard-webhooks"},
    },
    "recorded": {
        "phases": [{"name": "again", "duration": "1h", "arrivals": "recorded", "speed": 2}],
        "events": [{"type": "order.paid", "payloads": "capture.ndjson"}],
    },
    "closed": {
        "phases": [
            {"name": "warm-up", "duration": "1s", "rate": "3/s", "record": False},
            {"name": "x", "connections": 4, "events": 9_000},
        ],
        "events": [{"type": TYPES[0]}, {"type": TYPES[1], "simulation": False, "set": {"data.0.user.userId": "u-1"}}],
    },
    "images": {
        "phases": [STEADY],
        "events": [{"type": TYPES[2], "image": "base64:100B"}],
    },
    "forged": {
        "phases": [STEADY, {**STEADY, "name": "attack", "arrivals": "poisson", "shares": {"wrong_secret": 0.6}}],
        "events": MIX,
        "cases": [
            {"kind": kind, "share": 0.08}
            for kind in ("wrong_secret", "tampered_body", "stale_timestamp", "missing_signature", "malformed_signature")
        ],
    },
    "rotation": {
        "phases": [{**STEADY, "name": name, "secrets": name} for name in ("old", "both", "new")],
        "target": {"scheme": "standard-webhooks"},
    },
}


@functools.cache
def vectors() -> dict[str, str]:
    """File name → what the seed gives now."""
    found = {f"{name}.txt": "\n".join(_scenario(document)) for name, document in SCENARIOS.items()}
    found["schemes.txt"] = "\n".join(_schemes())
    found["retries.txt"] = "\n".join(_retries())
    return {name: f"{text}\n" for name, text in found.items()}


def _spec(document: dict[str, Any]) -> RunSpec:
    target = {"url": "https://example.test/hooks", **document.get("target", {})}
    whole = {"name": "t", **document, "target": target}
    types = [event.name for event in catalogue()]
    scenario = from_document(whole, "vector", known_cases=case_rules(), known_types=types, types_of=types_of)
    signing = scheme(scenario.target.scheme)
    recorded = {event.type: Capture(CAPTURE, (event.type,)) for event in scenario.events if event.payloads is not None}
    key = KEYS.get(signing.key)
    return RunSpec(
        scenario=by_part(scenario, signing),
        seed=SEED,
        secret=Secret(key) if key else SECRET,
        old_secret=OLD_SECRET,
        epoch_ns=EPOCH_NS,
        recorded=recorded,
        pace=tuple((event.at_ns or 0) - EPOCH_NS for event in CAPTURE) if recorded else (),
    )


def _scenario(document: dict[str, Any], events: int = EVENTS) -> Iterator[str]:
    spec = _spec(document)
    plan, maker = spec.plan(), request_maker(spec)
    first = True
    for phase in plan.phases:
        ranges: Sequence[tuple[int, int]] = ((0, events), (FAR, FAR + 4)) if events == EVENTS else ((0, events),)
        for start, end in ranges:
            for index, due, stratum in itertools.islice(_arrivals(plan, phase.number), start, end):
                dated = EPOCH_NS + (index * NS_PER_MS if due is None else due)  # as `engine/arrivals.py` does
                yield from _event(plan, index, due, stratum, maker.make(index, stratum, dated), first)
                first = False


def _arrivals(plan: Plan, phase: int) -> Iterator[tuple[int, int | None, int]]:
    for block in plan.blocks(phase):
        due = block.due or itertools.repeat(None)
        yield from zip(block.index, due, block.stratum, strict=False)


def _event(plan: Plan, index: int, due: int | None, stratum: int, request: Any, whole: bool) -> Iterator[str]:
    phase, type_number, case = plan.unpack(stratum)
    instant = "no due time" if due is None else f"due at {due:,} ns"
    yield f"{plan.phases[phase].name} {index}: {instant}, {plan.types[type_number]}, {plan.cases[case]}"
    lines, body = request
    yield from (f"    {line}" for line in lines.decode("latin-1").splitlines())
    yield f"    body of {len(body):,} bytes, sha256 {hashlib.sha256(body).hexdigest()}"
    if whole:
        yield f"    {body.decode()}"


def _schemes() -> Iterator[str]:
    """The first event of every scheme, of its first type."""
    for name in scheme_names():
        if scheme(name).algorithm not in ("hmac", "none"):
            continue  # its private key is new in each run
        yield f"# {name}"
        target: dict[str, Any] = {"scheme": name}
        if scheme(name).signs_query:
            target["public_url"] = "https://example.test/hooks?data.id=7"
        yield from _scenario({"phases": [STEADY], "target": target}, events=1)


def _retries() -> Iterator[str]:
    """The pauses after each attempt of two events, by the profiles in which pauses are random."""
    for provider in (provider for provider in PROVIDERS if provider.jitter):
        policy = policy_of(Retry(profile=provider.name), SEED)
        for index in (0, 12_345):
            pauses = (policy.pause_ns(index, attempt, 503) for attempt in range(1, 1 + len(provider.retries_ns)))
            yield f"{provider.name} {index}: {', '.join(f'{pause:,}' for pause in pauses if pause is not None)} (ns)"


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_seed_means_the_same_bytes(name: str) -> None:
    assert vectors()[name].encode() == (GOLDEN / name).read_bytes()


def test_every_vector_is_kept() -> None:
    assert set(vectors()) == {path.name for path in GOLDEN.iterdir()}
