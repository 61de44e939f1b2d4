"""The organisation behind a seed: its teams, users and the apps they use, and the situations drawn from them.

A seed gives one organisation for all event types, so that the events of a run are consistent. A *situation* is one user
in one app for some time. An event uses one of about a thousand situations that are prepared in advance, so that it
costs one list look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from loadsim.events.seeding import bit_generator, identifier

TEAMS = 12
USERS = 480
SITUATIONS = 1024
LONGEST_S = 600


class App(NamedTuple):
    """A website in use. The documented samples have the type `website` only, so there is no other."""

    name: str
    category: str
    domain: str
    status: str
    paths: tuple[str, ...]


APPS = (
    App("Google Chrome", "Unknown Category", "google.com", "neutral", ("", "/search?q=quarterly+report", "/maps")),
    App("GitHub", "Development", "github.com", "productive", ("", "/pulls", "/notifications", "/issues/assigned")),
    App("Stack Overflow", "Development", "stackoverflow.com", "productive", ("/questions", "/questions/tagged/python")),
    App("Gmail", "Communication", "mail.google.com", "productive", ("/mail/u/0/", "/mail/u/0/#sent")),
    App("Slack", "Communication", "app.slack.com", "productive", ("/client", "/client/threads")),
    App("Google Docs", "Documents", "docs.google.com", "productive", ("/document/u/0/", "/spreadsheets/u/0/")),
    App("Notion", "Documents", "notion.so", "productive", ("/home", "/team-handbook")),
    App("Figma", "Design", "figma.com", "productive", ("/files/recents", "/community")),
    App("Jira", "Project Management", "jira.atlassian.com", "productive", ("/projects", "/secure/Dashboard.jspa")),
    App("Zoom", "Meetings", "zoom.us", "productive", ("/meeting", "/profile")),
    App("LinkedIn", "Social Media", "linkedin.com", "neutral", ("/feed/", "/jobs/")),
    App(
        "YouTube",
        "Entertainment",
        "youtube.com",
        "unproductive",
        ("", "/feed/subscriptions", "/results?search_query=caf%C3%A9"),
    ),
    App("Reddit", "Entertainment", "reddit.com", "unproductive", ("/r/popular/", "/r/programming/")),
    App("Wikipedia", "Reference", "en.wikipedia.org", "neutral", ("/wiki/Main_Page", "/wiki/Webhook")),
)


class Situation(NamedTuple):
    """What an event is about, as values for a payload."""

    team: Any
    user: Any
    app: Any
    duration_s: int
    tracking_mode: str
    work_type: str
    operating_system: str
    is_idle: bool
    work_mode: bool


def organisation(seed: int) -> dict[str, str]:
    """The payload's `organisation` object."""
    return {"organisationId": identifier(seed, "organisation")}


def app_objects() -> list[dict[str, str]]:
    """Every app on each of its pages, as the payload's `app` object."""
    return [_app_object(app, path) for app in APPS for path in app.paths]


def _app_object(app: App, path: str) -> dict[str, str]:
    host = f"www.{app.domain}" if app.domain.count(".") == 1 else app.domain
    return {
        "name": app.name,
        "type": "website",
        "category": app.category,
        "iconUrl": f"https://{host}/favicon.ico",
        "domain": app.domain,
        "fullUrl": f"https://{host}{path}",
        "productivityStatus": app.status,
    }


def situations(seed: int, hold: Callable[[dict[str, str]], Any]) -> list[Situation]:
    """SITUATIONS situations of the seed's organisation; `hold` wraps each object that several events share."""
    draw = np.random.Generator(bit_generator(seed, "situations", 0))
    teams = [hold({"teamId": identifier(seed, f"team/{number}")}) for number in range(TEAMS)]
    users = [hold({"userId": identifier(seed, f"user/{number}")}) for number in range(USERS)]
    systems = draw.choice(("windows", "macos", "linux"), USERS, p=(0.5, 0.4, 0.1)).tolist()
    places = draw.choice(("office", "remote"), USERS).tolist()
    apps = [hold(app) for app in app_objects()]
    user_of = draw.integers(0, USERS, SITUATIONS).tolist()
    app_of = draw.integers(0, len(apps), SITUATIONS).tolist()
    duration = draw.integers(1, LONGEST_S, SITUATIONS, endpoint=True).tolist()
    online = (draw.random(SITUATIONS) < 0.9).tolist()
    idle = (draw.random(SITUATIONS) < 0.1).tolist()
    working = (draw.random(SITUATIONS) < 0.5).tolist()
    return [
        Situation(
            team=teams[user % TEAMS],
            user=users[user],
            app=apps[app_of[number]],
            duration_s=duration[number],
            tracking_mode="online" if online[number] else "offline",
            work_type=places[user],
            operating_system=systems[user],
            is_idle=idle[number],
            work_mode=working[number],
        )
        for number, user in enumerate(user_of)
    ]
