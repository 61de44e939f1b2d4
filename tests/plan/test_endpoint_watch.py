"""Each provider's rule for switching an endpoint off."""

from __future__ import annotations

from loadsim.model import NS_PER_S as S
from loadsim.plan.endpoint_watch import EndpointWatch
from loadsim.plan.providers import SwitchOff


def why(watch: EndpointWatch) -> str:
    """Why it is off by now."""
    return watch.why


def test_events_given_up_in_a_row() -> None:
    watch = EndpointWatch(SwitchOff(given_up=3))
    for _ in range(2):
        watch.gave_up()
    watch.answered(200, True, 0)
    for _ in range(2):
        watch.gave_up()
    assert not why(watch)
    watch.gave_up()
    assert why(watch) == "3 events in a row were given up"


def test_failures_for_so_long() -> None:
    watch = EndpointWatch(SwitchOff(failing_ns=10 * S))
    for at in (0, 5, 9):
        watch.answered(500, False, at * S)
    watch.answered(200, True, 9 * S)
    for at in (10, 15, 19):
        watch.answered(500, False, at * S)
    assert not why(watch)
    watch.answered(500, False, 20 * S)
    assert why(watch) == "every attempt had failed for 10 s"


def test_a_share_over_a_window() -> None:
    """One of 25 well (4 %) is too little, one of 16 is enough; and no window is judged before it is over."""
    for every, off in ((25, True), (16, False)):
        watch = EndpointWatch(SwitchOff(share=0.05, window_ns=60 * S))
        for number in range(59 * 20):
            watch.answered(200, number % every == 0, number * S // 20)
        assert not why(watch)
        for number in range(59 * 20, 200 * 20):
            watch.answered(200, number % every == 0, number * S // 20)
        assert bool(why(watch)) is off


def test_a_window_forgets_what_lies_before_it() -> None:
    watch = EndpointWatch(SwitchOff(share=0.5, window_ns=60 * S))
    for at in range(600):
        watch.answered(200, True, at * S)
    for at in range(600, 626):
        watch.answered(500, False, at * S)
    assert not why(watch)
    for at in range(626, 640):
        watch.answered(500, False, at * S)
    assert why(watch)
