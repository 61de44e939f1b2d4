"""The published delivery rules of webhook providers: deadline, retries, and when they switch an endpoint off.

Where a provider publishes only the number of retries and their total time, the pauses are our model (`modelled`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadsim.model import NS_PER_MS, NS_PER_S

_S = NS_PER_S
_MIN = 60 * _S
_H = 60 * _MIN
_DAY = 24 * _H


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """When a provider stops delivering to an endpoint at all. Any one of the given rules is enough."""

    given_up: int | None = None
    """Number of consecutive events that were given up after their last attempt."""
    failing_ns: int | None = None
    """Time in which every attempt failed."""
    share: float | None = None
    """Fewer attempts than this share were answered well within `window_ns`."""
    window_ns: int = 0
    gone: bool = False
    """A single answer 410 is enough."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's delivery rules. Times in ns."""

    name: str
    """Its name in scenario files."""
    title: str
    deadline_ns: int
    """Longest time from sending to the complete answer; later answers count as failed."""
    retries_ns: tuple[int, ...]
    """Pause between the end of each attempt and the next; empty: no retries."""
    afterwards: str
    """The rules on further attempts and on endpoints that keep failing, in words."""
    modelled: bool = False
    """The pauses are modelled: only their number and their sum are published."""
    jitter: float = 0.0
    """Share by which a pause varies either way."""
    retry_after: float | None = None
    """`Retry-After` is obeyed up to this multiple of the planned pause; None: not at all."""
    ends_on_4xx: bool = False
    """An answer of 4xx other than 429 is final."""
    stop_header: tuple[str, str] | None = None
    """A header, lower case, and its value, with which an answer asks for no further attempt."""
    switch_off: SwitchOff | None = None
    source: str = ""
    """Where the rules are published."""


def growing(attempts: int, over_ns: int) -> tuple[int, ...]:
    """A model of exponential backoff: pauses with the sum `over_ns`, each longer than the one before by the same
    factor, from 10 s upward; all equal where `over_ns` is too short for that."""
    if attempts * 10 * _S >= over_ns:
        return (over_ns // attempts,) * attempts
    low, high = 1.0 + 1e-9, 10.0
    for _ in range(60):  # the factor, by bisection: the sum of the geometric series grows with it
        factor = (low + high) / 2
        low, high = (factor, high) if 10 * _S * (factor**attempts - 1) / (factor - 1) < over_ns else (low, factor)
    return tuple(round(10 * _S * low**number) for number in range(attempts))


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "wix",
        "Wix",
        1250 * NS_PER_MS,
        (_MIN, 10 * _MIN, _H, *(2 * _H,) * 3, *(4 * _H,) * 3, 8 * _H, 8 * _H, 12 * _H),
        "12 more over 2 days: 1 min, 10 min, 1 h, 2 h, …",
        source="dev.wix.com, webhook resend policy",
    ),
    Provider(
        "slack",
        "Slack Events",
        3 * _S,
        (0, _MIN, 5 * _MIN),
        "3 more: at once, 1 min, 5 min; switched off below 5 % delivered in 60 min",
        stop_header=("x-slack-no-retry", "1"),
        switch_off=SwitchOff(share=0.05, window_ns=_H),
        source="api.slack.com",
    ),
    Provider(
        "zoom",
        "Zoom",
        3 * _S,
        (5 * _MIN, 20 * _MIN, 60 * _MIN),
        "3 more: 5, 20, 60 min",
        source="developers.zoom.us",
    ),
    Provider(
        "shopify",
        "Shopify",
        5 * _S,
        growing(8, 4 * _H),
        "8 more over 4 h, then the subscription is deleted",
        modelled=True,
        switch_off=SwitchOff(given_up=1),
        source="shopify.dev, 2024-09-10",
    ),
    Provider(
        "paddle",
        "Paddle",
        5 * _S,
        growing(60, 3 * _DAY),
        "60 more over 3 days",
        modelled=True,
        source="developer.paddle.com",
    ),
    Provider(
        "linear",
        "Linear",
        5 * _S,
        (_MIN, _H, 6 * _H),
        "3 more: 1 min, 1 h, 6 h; may be switched off",
        source="linear.app/developers",
    ),
    Provider("github", "GitHub", 10 * _S, (), "never again; redelivered by hand only", source="docs.github.com"),
    Provider(
        "square",
        "Square",
        10 * _S,
        growing(11, _DAY),
        "more for up to 24 h",
        modelled=True,
        source="developer.squareup.com",
    ),
    Provider(
        "stripe",
        "Stripe",
        10 * _S,
        growing(15, 3 * _DAY),
        "more for up to 3 days, then switched off",
        modelled=True,
        switch_off=SwitchOff(failing_ns=3 * _DAY),
        source="docs.stripe.com",
    ),
    Provider(
        "polar",
        "Polar",
        10 * _S,
        growing(10, _DAY),
        "10 more; switched off after 10 events in a row were given up",
        modelled=True,
        switch_off=SwitchOff(given_up=10),
        source="polarsource/polar, issue 8815",
    ),
    Provider(
        "standard-webhooks",
        "Standard Webhooks",
        15 * _S,
        (5 * _S, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H),
        "9 more over 3 days; 410 ends them",
        jitter=0.2,
        retry_after=math.inf,
        switch_off=SwitchOff(gone=True),
        source="standard-webhooks.md",
    ),
    Provider(
        "svix",
        "Svix (cloud)",
        15 * _S,
        (5 * _S, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 10 * _H),
        "7 more over 28 h; switched off after 5 days of failures",
        jitter=0.2,
        retry_after=2.0,
        switch_off=SwitchOff(failing_ns=5 * _DAY),
        source="docs.svix.com",
    ),
    Provider(
        "sanity",
        "Sanity",
        30 * _S,
        (30 * _S, 30 * _S),
        "2 more, 30 s apart, on 429 and 5xx",
        ends_on_4xx=True,
        source="sanity.io/docs, 2026-04-29",
    ),
)
"""Ordered by deadline, the shortest first. Trackpilots publishes neither a deadline nor a schedule."""

DEADLINES_NS = tuple(sorted({provider.deadline_ns for provider in PROVIDERS}))
"""The deadlines, each once: every run counts the answers that came after each of them."""
