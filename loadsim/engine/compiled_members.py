"""The types whose members the compiled step reaches, and the numbers that it shares with them.

The step finds a member by its place in the object, so those it needs are in `__slots__`. It refuses types that are
not as it expects.
"""

from __future__ import annotations

from types import ModuleType

from loadsim.cases import Recipes
from loadsim.compiled_step import step
from loadsim.engine.arrivals import Arrivals
from loadsim.engine.connection_pool import ConnectionPool
from loadsim.engine.direct_connection import CHUNK, DirectConnection
from loadsim.engine.direct_transport import FITS, SMALL, DirectTransport
from loadsim.engine.endpoint_socket import READY
from loadsim.engine.engine import BATCH, Engine
from loadsim.engine.recorder import BITE, Recorder
from loadsim.engine.request_batches import TIMED_APART_NS, TIMED_EVERY, RequestMaking
from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.engine.socket_set import FEW, ROUNDS, SELDOM_NS
from loadsim.engine.tls_session import TlsSession
from loadsim.measure.pauses import Pauses

_TYPES = (
    DirectConnection,
    ResponseReader,
    Memo,
    TlsSession,
    Engine,
    Arrivals,
    ConnectionPool,
    Pauses,
    RequestMaking,
    Recipes,
    Recorder,
    DirectTransport,
)
_NUMBERS = (
    READY,
    BATCH,
    BITE,
    TIMED_EVERY,
    TIMED_APART_NS,
    ROUNDS,
    FEW,
    SELDOM_NS,
    SMALL,
    FITS,
    CHUNK,
)


def bound() -> ModuleType:
    """The step, which knows the types now. Raises TypeError where it was built from sources that have others."""
    assert step is not None  # noqa: S101 - whoever calls this has asked
    if not step.is_bound():
        step.bind(_TYPES, _NUMBERS)
    return step
