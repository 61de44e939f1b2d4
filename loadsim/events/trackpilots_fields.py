"""Fills the varying fields of Trackpilots' event types in place.

A filler is made once for each source and holds the containers it writes to, so that filling an event costs a few
dictionary stores. Its arguments are the situation, the event's id and the time.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

from loadsim.events.random_organisation import Situation

Fill = Callable[[int, str, int], None]
"""(number of the situation, event id, wall clock in ms since 1970) -> None."""

_MILLISECONDS = tuple(f"{ms:03d}Z" for ms in range(1000))


@functools.lru_cache(maxsize=4096)
def _iso_second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def iso(ms: int) -> str:
    """Milliseconds since 1970 as `2026-05-04T09:10:00.000Z`."""
    return _iso_second(ms // 1000) + _MILLISECONDS[ms % 1000]


def _activity(document: dict[str, Any], situations: list[Situation]) -> Fill:
    data = document["data"]
    user, activity = data["user"], data["activity"]
    picks = [(each.team, each.work_mode) for each in situations]

    def fill(number: int, event_id: str, now_ms: int) -> None:
        data["team"], activity["workMode"] = picks[number]
        # This type has no documented id; the user is the only field that can make each body unique.
        user["userId"] = event_id
        document["timestamp"] = now_ms

    return fill


def _app(document: dict[str, Any], situations: list[Situation]) -> Fill:
    item = document["data"][0]
    tracking = item["tracking"]
    time = tracking["time"]
    picks = [(s.team, s.user, s.app, s.duration_s, s.tracking_mode, s.operating_system) for s in situations]
    iso_second, milliseconds = _iso_second, _MILLISECONDS

    def fill(number: int, event_id: str, now_ms: int) -> None:
        item["team"], item["user"], tracking["app"], duration_s, mode, system = picks[number]
        tracking["trackingId"] = event_id
        document["timestamp"] = now_ms
        second = now_ms // 1000
        fraction = milliseconds[now_ms - second * 1000]
        time["startDate"] = iso_second(second - duration_s) + fraction
        time["endDate"] = iso_second(second) + fraction
        time["durationInSeconds"] = duration_s
        tracking["trackingMode"] = mode
        tracking["operatingSystem"] = system

    return fill


def _screenshot(document: dict[str, Any], situations: list[Situation]) -> Fill:
    item = document["data"][0]
    screenshot = item["screenshot"]
    time = screenshot["time"]
    picks = [(s.team, s.user, s.app, s.operating_system, s.work_type, s.is_idle) for s in situations]

    def fill(number: int, event_id: str, now_ms: int) -> None:
        item["team"], item["user"], screenshot["app"], system, work_type, idle = picks[number]
        screenshot["screenshotId"] = event_id
        document["timestamp"] = now_ms
        time["capturedAt"] = iso(now_ms)
        screenshot["operatingSystem"] = system
        screenshot["workType"] = work_type
        screenshot["isIdle"] = idle

    return fill


FILLERS: dict[str, Callable[[dict[str, Any], list[Situation]], Fill]] = {
    "desktop.activity_tracking.captured": _activity,
    "desktop.app_tracking.captured": _app,
    "desktop.screenshot_tracking.captured": _screenshot,
}
"""By type name: a function that makes the filler from the template and the situations."""


def set_organisation(document: dict[str, Any], organisation: Any) -> None:
    """Put in the organisation, which is the same for every event of a source."""
    _item(document)["organisation"] = organisation


def carries_image(document: dict[str, Any]) -> bool:
    """Whether events of the type contain a screenshot."""
    return "screenshot" in _item(document)


def set_image(document: dict[str, Any], image: Any) -> None:
    """Put in the image, which is the same for every event of a source; None leaves the placeholder."""
    if image is not None:
        _item(document)["screenshot"]["imageBuffer"] = image


def _item(document: dict[str, Any]) -> dict[str, Any]:
    """The item that holds organisation, team and user. Some types have a list of items; the sample has one."""
    data = document["data"]
    item: dict[str, Any] = data[0] if isinstance(data, list) else data
    return item
