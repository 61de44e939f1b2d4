"""The answers of a receiver that fails on purpose."""

from __future__ import annotations

from loadsim.model import NS_PER_S
from loadsim.plan.receiver_behaviour import ASKS_TO_WAIT
from loadsim.receiver import answers
from loadsim.receiver.answers import Answer, Entry
from loadsim.receiver.fault_plan import RESET
from loadsim.receiver.options import ReceiverOptions


def failing_answers(options: ReceiverOptions) -> dict[int, Answer]:
    """By `Fault.status`."""
    wait = "" if options.retry_after_ns is None else str(options.retry_after_ns // NS_PER_S)
    failing = {
        status: answers.refusal(
            status, Entry.internal, "Failed on purpose", retry_after=wait if status in ASKS_TO_WAIT else ""
        )
        for status, _ in options.failing()
    }
    return failing | ({RESET: answers.RESET} if options.reset else {})
