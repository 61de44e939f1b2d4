"""Bodies render from templates: the bytes of one situation with gaps for what each event has of its own.

A template is not written by hand: a source fills and serialises its template for a moment and an id that can be told
apart, and the gaps are where those stand. It is then checked against a second moment, so that a body is either render
exactly as the template would give it, or not render at all. Knows no event type.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Any

Serialise = Callable[[str, int], bytes]
"""(event id, now in ms since 1970) -> body, of one situation."""

LARGEST = 8_192
"""Bodies above this are not worth a copy per situation."""
_FIRST = ("00000000-loadsim-event-a00000000000", 4_102_444_799_321)
_SECOND = ("ffffffff-loadsim-event-b11111111111", 4_070_908_800_745)
_GAP = re.compile(
    b"(?P<id>" + _FIRST[0].encode() + rb")|(?P<ms>4102444799321)|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.321Z)"
)


CompiledTemplate = tuple[Any, ...]
"""Pieces, one more than gaps, with now (ms), the id and then a time for each offset between them; then the offsets:
how many seconds each time lies before now. In one tuple, since taking it apart is part of casting."""


class _Seconds(dict[int, bytes]):
    """By offset, the text of a time up to its fraction, as of one second."""

    second = -1

    def __missing__(self, offset: int) -> bytes:
        moment = dt.datetime.fromtimestamp(self.second - offset, dt.UTC)
        text = self[offset] = moment.strftime("%Y-%m-%dT%H:%M:%S.").encode()
        return text


class Renderer:
    """Casts bodies; keeps the present moment's text, which many events share."""

    __slots__ = ("_fraction", "_ms", "_ms_text", "_seconds")

    def __init__(self) -> None:
        self._ms = -1
        self._ms_text = self._fraction = b""
        self._seconds = _Seconds()

    def render(self, templates: Iterable[tuple[CompiledTemplate, bytes]], now_ms: int) -> list[bytes]:
        """The bodies of events at `now_ms`, ms since 1970, given as template and id."""
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

    def _tick(self, now_ms: int) -> None:
        self._ms = now_ms
        self._ms_text = b"%d" % now_ms
        second, ms = divmod(now_ms, 1000)
        self._fraction = b"%03dZ" % ms
        if second != self._seconds.second:
            self._seconds.second = second
            self._seconds.clear()


def compile_template(serialise: Serialise) -> CompiledTemplate | None:
    """The template of a situation, or None where its body cannot be render."""
    sample = serialise(*_FIRST)
    if len(sample) > LARGEST:
        return None
    gaps = list(_GAP.finditer(sample))
    if [gap.lastgroup for gap in gaps[:2]] != ["ms", "id"] or any(gap.lastgroup != "iso" for gap in gaps[2:]):
        return None
    ends = [0, *(gap.end() for gap in gaps)]
    starts = [*(gap.start() for gap in gaps), len(sample)]
    pieces = tuple(sample[end:start] for end, start in zip(ends, starts, strict=True))
    template: CompiledTemplate = (*pieces, *(_seconds_before(gap[0]) for gap in gaps[2:]))
    event_id, now_ms = _SECOND
    render = Renderer().render([(template, event_id.encode())], now_ms)
    return template if render == [serialise(event_id, now_ms)] else None


def _seconds_before(iso: bytes) -> int:
    return _FIRST[1] // 1000 - int(dt.datetime.fromisoformat(iso.decode()).timestamp())
