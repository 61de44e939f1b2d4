"""Which of the events that are made are timed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loadsim.engine.request_batches import TIMED_APART_NS, TIMED_EVERY, RequestMaking


def timed(batches: int, each: int, apart_ns: int) -> int:
    """How many of the events are timed in so many batches of `each` events."""
    now = 10**9
    sent: list[Any] = []
    maker = SimpleNamespace(
        maker_of=lambda _: None,
        make_all=lambda indexes, _events, _now: [(b"", b"%d" % index) for index in indexes],
    )
    recorder = SimpleNamespace(signs=[])
    plan: Any = SimpleNamespace(strata=1)
    making = RequestMaking(
        plan,
        maker,  # type: ignore[arg-type]
        recorder,  # type: ignore[arg-type]
        clock=lambda: now,
        wall=lambda: now,
        epoch_ns=None,
        planned_time=lambda _, due: due,
        failed=lambda *_: None,
        send_all=sent.extend,
    )
    for number in range(batches):
        now += apart_ns
        indexes = range(number * each, number * each + each)
        ready: list[Any] = [SimpleNamespace(event=(index, 0, now, now)) for index in indexes]
        sent.clear()
        making.send(ready)
        assert [(one, body, index) for one, (_, body), index in sent] == [
            (one, b"%d" % index, index) for one, index in zip(ready, indexes, strict=True)
        ]
    assert recorder.signs[::3] == [0] * (len(recorder.signs) // 3)
    return len(recorder.signs) // 3


@pytest.mark.parametrize(
    ("batches", "each", "apart_ns", "expected"),
    [
        (2 * TIMED_EVERY, 1, TIMED_APART_NS // TIMED_EVERY // 2, 2),  # close together: one in each group
        (20, 1, TIMED_APART_NS, 20),  # far apart: each
        (2 * TIMED_EVERY, 64, 10 * TIMED_APART_NS, 2),  # several at once: one event of one batch in each group
    ],
)
def test_the_share_that_is_timed(batches: int, each: int, apart_ns: int, expected: int) -> None:
    assert timed(batches, each, apart_ns) == expected
