"""The cyclic garbage collector, kept from looking through what a process imports while it starts."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Context in which the collector is off, and after which it leaves out all that exists by then.

    Modules stay, so looking for garbage among them, again and again as they get more, is in vain: it takes a tenth of
    the time of a start, and as long again at every later look.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
