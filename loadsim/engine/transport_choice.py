"""Chooses the transport of a run: direct where the platform and the target allow it, else aiohttp."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

from loadsim.compiled_step import step
from loadsim.engine.arrivals import NEVER
from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.transport_interface import Transport
from loadsim.model import UsageError
from loadsim.plan import Target

if TYPE_CHECKING:
    from loadsim.engine.direct_transport import DirectTransport

DEFAULT_STREAMS = 100
"""Events in flight that share a connection over HTTP/2, where the endpoint allows as many and nothing else is said."""


def direct_transport() -> type[DirectTransport]:
    """The direct transport over HTTP/1.1: with its compiled step where that was built and may be used. Raises
    UsageError where it was built from sources that have other types."""
    if step is not None:
        try:
            from loadsim.engine.compiled_transport import CompiledTransport
        except (
            TypeError,
            AttributeError,
        ) as error:  # falling back in silence would make figures that nobody can explain
            raise UsageError(
                f"the compiled step does not fit these sources ({error}): build it again, or set LOADSIM_PURE=1"
            ) from None
        return CompiledTransport
    from loadsim.engine.direct_transport import DirectTransport

    return DirectTransport


def make_transport(
    loop: asyncio.AbstractEventLoop, target: Target, wire: Wire, headers: DeliveryHeaders, shard: int = 0
) -> Transport:
    """The transport that the scenario names; the direct one needs epoll and goes through no proxy.

    `headers`: those that name a delivery.
    """
    if wire.http == "2":
        if not hasattr(select, "epoll"):
            raise UsageError("HTTP/2 needs the direct transport, which this platform does not have")
        from loadsim.engine.http2_transport import Http2Transport

        streams = target.streams or DEFAULT_STREAMS
        return Http2Transport(loop, wire, headers, streams=streams, reuse=target.reuse or NEVER, first=shard)
    if target.transport == "direct" and target.proxy is None and hasattr(select, "epoll"):
        return direct_transport()(loop, wire, headers, first=shard)
    from loadsim.engine.aiohttp_transport import AiohttpTransport

    if target.unix is not None or target.connect_to is not None:
        raise UsageError("unix and connect_to need the direct transport, which this platform does not have")
    return AiohttpTransport(loop, wire, headers, first=shard)
