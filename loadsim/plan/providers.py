"""How webhook providers treat an endpoint: how long they wait for an answer, and what they do when none comes.

Decides nothing: these are the providers' published rules, and None where they publish none. A tester of endpoints asks
two things of them: which share of deliveries would each one count as failed, and when would it send them again.
"""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.model import NS_PER_MS, NS_PER_S

_S = NS_PER_S
_MIN = 60 * _S
_H = 60 * _MIN


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's delivery rules. Times in ns."""

    name: str
    """As it stands in scenario files."""
    title: str
    deadline_ns: int
    """From sending to the whole answer; later counts as failed."""
    retries_ns: tuple[int, ...] | None
    """Pause before each further attempt; empty: never again; None: not published as a list."""
    afterwards: str
    """What the provider says of further attempts and of endpoints that keep failing, in words."""
    jitter: float = 0.0
    """Share by which a pause varies either way."""
    source: str = ""
    """Where it is published."""


PROVIDERS: tuple[Provider, ...] = (
    Provider("wix", "Wix", 1250 * NS_PER_MS, None, "12 attempts", source="dev.wix.com"),
    Provider(
        "slack",
        "Slack Events",
        3 * _S,
        (0, _MIN, 5 * _MIN),
        "3 more: at once, 1 min, 5 min; switched off below 5 % delivered in 60 min",
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
        None,
        "8 more over 4 h, then the subscription is deleted",
        source="shopify.dev, 2024-09-10",
    ),
    Provider("paddle", "Paddle", 5 * _S, None, "60 more over 3 days", source="developer.paddle.com"),
    Provider(
        "linear",
        "Linear",
        5 * _S,
        (_MIN, _H, 6 * _H),
        "3 more: 1 min, 1 h, 6 h; may be switched off",
        source="linear.app/developers",
    ),
    Provider("github", "GitHub", 10 * _S, (), "never again; redelivered by hand only", source="docs.github.com"),
    Provider("square", "Square", 10 * _S, None, "more for up to 24 h", source="developer.squareup.com"),
    Provider("stripe", "Stripe", 10 * _S, None, "more for up to 3 days, then switched off", source="docs.stripe.com"),
    Provider(
        "polar",
        "Polar",
        10 * _S,
        None,
        "10 attempts; switched off after 10 failures in a row",
        source="polarsource/polar",
    ),
    Provider(
        "standard-webhooks",
        "Standard Webhooks",
        15 * _S,
        (5 * _S, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H),
        "9 more over 3 days; 410 ends them",
        jitter=0.2,
        source="standard-webhooks.md",
    ),
    Provider(
        "svix",
        "Svix (cloud)",
        15 * _S,
        (5 * _S, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 10 * _H),
        "7 more over 28 h; switched off after 5 days of failures",
        jitter=0.2,
        source="docs.svix.com",
    ),
    Provider("sanity", "Sanity", 30 * _S, (30 * _S, 30 * _S), "2 more, 30 s apart", source="sanity.io/docs"),
)
"""Shortest deadline first. Trackpilots publishes neither a deadline nor a schedule."""
