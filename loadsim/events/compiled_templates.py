"""Compiled templates: the serialised bytes of one situation, with gaps for the id and the times of each event.

Compiling serialises the template once with a recognisable id and time, and makes gaps where they occur. The result is
checked with a second id and time, so a rendered body is always equal to the serialised one. A template that fails the
check is not compiled.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

Serialise = Callable[[str, int], bytes]
"""(event id, now in ms since 1970) -> body, of one situation."""

LARGEST = 8_192
"""Larger bodies are not compiled: a copy for each situation would need too much memory."""
_FIRST = ("00000000-loadsim-event-a00000000000", 4_102_444_799_321)
_SECOND = ("ffffffff-loadsim-event-b11111111111", 4_070_908_800_745)
_ID, _MS, _FRACTION = _FIRST[0].encode(), b"%d" % _FIRST[1], b".321Z"
_TO_SECONDS = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_SECONDS_LENGTH = len("2026-05-04T09:10:00")


CompiledTemplate = tuple[Any, ...]
"""First the pieces, one more than there are gaps: now (ms), the id, then one time for each offset. Then the offsets, in
seconds before now. It is one flat tuple, because unpacking it is part of the hot path."""


class _Seconds(dict[int, bytes]):
    """The text of a time without its fraction, by offset in seconds before one given second."""

    second = -1

    def __missing__(self, offset: int) -> bytes:
        time = dt.datetime.fromtimestamp(self.second - offset, dt.UTC)
        text = self[offset] = time.strftime("%Y-%m-%dT%H:%M:%S.").encode()
        return text


class Renderer:
    """Renders bodies; it caches the text of the present time, which many events share."""

    __slots__ = ("_fraction", "_ms", "_ms_text", "_seconds")

    def __init__(self) -> None:
        self._ms = -1
        self._ms_text = self._fraction = b""
        self._seconds = _Seconds()

    def render(self, templates: Iterable[tuple[CompiledTemplate, bytes]], now_ms: int) -> list[bytes]:
        """The bodies of events, given as (template, id), at `now_ms`, ms since 1970."""
        if now_ms != self._ms:
            self._tick(now_ms)
        seconds, ms_text, fraction = self._seconds, self._ms_text, self._fraction
        join = b"".join
        bodies = []
        for template, event_id in templates:
            if len(template) == 7:  # two times, the usual case
                head, to_id, to_one, to_two, tail, one, two = template
                bodies.append(
                    join(
                        (
                            head,
                            ms_text,
                            to_id,
                            event_id,
                            to_one,
                            seconds[one],
                            fraction,
                            to_two,
                            seconds[two],
                            fraction,
                            tail,
                        )
                    )
                )
                continue
            times = (len(template) - 3) // 2
            pieces, offsets = template[: times + 3], template[times + 3 :]
            parts = [pieces[0], ms_text, pieces[1], event_id]
            for offset, piece in zip(offsets, pieces[2:], strict=False):
                parts += (piece, seconds[offset], fraction)
            bodies.append(join((*parts, pieces[-1])))
        return bodies

    def times(self, now_ms: int) -> tuple[dict[int, bytes], bytes, bytes]:
        """What a body at `now_ms` says of time: the text of a time without its fraction by offset in seconds, the
        fraction, and the milliseconds since 1970."""
        if now_ms != self._ms:
            self._tick(now_ms)
        return self._seconds, self._fraction, self._ms_text

    def _tick(self, now_ms: int) -> None:
        self._ms = now_ms
        self._ms_text = b"%d" % now_ms
        second, ms = divmod(now_ms, 1000)
        self._fraction = b"%03dZ" % ms
        if second != self._seconds.second:
            self._seconds.second = second
            self._seconds.clear()


def compile_template(serialise: Serialise, renderer: Renderer) -> CompiledTemplate | None:
    """Compile the template of a situation; None when its body cannot be rendered this way.

    `renderer` is for the check alone: one for many templates knows their times. A run compiles its templates in its
    first second, each in the place of an event or two.
    """
    sample = serialise(*_FIRST)
    if len(sample) > LARGEST:
        return None
    at_ms, at_id = sample.find(_MS), sample.find(_ID)
    if not 0 <= at_ms < at_id:
        return None
    pieces, offsets = [sample[:at_ms], sample[at_ms + len(_MS) : at_id]], []
    end = at_id + len(_ID)
    fraction = sample.find(_FRACTION, end)
    while fraction >= 0:
        start = fraction - _SECONDS_LENGTH
        if start >= end and _TO_SECONDS.match(sample, start):
            pieces.append(sample[end:start])
            offsets.append(_seconds_before(sample[start:fraction]))
            end = fraction + len(_FRACTION)
        fraction = sample.find(_FRACTION, fraction + 1)
    template: CompiledTemplate = (*pieces, sample[end:], *offsets)
    event_id, now_ms = _SECOND
    rendered = renderer.render([(template, event_id.encode())], now_ms)
    return template if rendered == [serialise(event_id, now_ms)] else None


@functools.lru_cache(maxsize=4096)  # the events of a time have few lengths
def _seconds_before(iso: bytes) -> int:
    return _FIRST[1] // 1000 - int(dt.datetime.fromisoformat(iso.decode() + "Z").timestamp())
