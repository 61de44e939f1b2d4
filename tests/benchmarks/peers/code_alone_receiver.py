"""The least that verifying can cost: our receiver, which computes the HMAC-SHA256 of every body and looks at nothing.

Two states of hashlib, hashed once, as our verifier has them; no timestamp, no comparison, no header is read for it.
Arguments: the port, the engine.
"""

import asyncio
import hashlib
import socket
import sys

import uvloop

from loadsim.receiver.answer_choice import Rules
from loadsim.receiver.counters import SharedCounters
from loadsim.receiver.fault_plan import fault_plan
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.http_aiohttp import AiohttpEngine
from loadsim.receiver.http_bare import BareEngine
from loadsim.receiver.ledger import LedgerMemory
from loadsim.receiver.options import ReceiverOptions
from loadsim.signing import Headers, Rejection

BLOCK = bytes(64)


class CodeAlone:
    """Takes everything, and computes what a verifier has to."""

    header_names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._inner, self._outer = hashlib.sha256(BLOCK).copy, hashlib.sha256(BLOCK).copy

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """See Checker."""
        inner = self._inner()
        inner.update(body)
        outer = self._outer()
        outer.update(inner.digest())
        outer.hexdigest()
        return None


async def main() -> None:
    """Serve until killed."""
    options = ReceiverOptions(engine="bare" if sys.argv[2] == "bare" else "aiohttp")
    ledger = LedgerMemory.create(1, options.ledger_limit).part(0)
    rules, row = Rules(options.path, CodeAlone()), SharedCounters.create(1).row(0)
    handler = WebhookHandler(options, rules, row, fault_plan(options, 0), ledger=ledger)
    engine = BareEngine(options, handler, None) if options.engine == "bare" else AiohttpEngine(options, handler, None)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    await engine.serve(listener)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
