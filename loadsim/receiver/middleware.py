"""Verification for a user's own aiohttp application: a middleware that lets genuine deliveries through to its handlers.

Decides that everything is verified which is not named as open, by the resource that the router found and not by how the
path was spelled. The body is read once, up to a limit and a deadline, and stays readable for the handler. What is
verified are the raw bytes, also under Content-Encoding: the application must be made with `handler_args=RAW_BODIES`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from loadsim.receiver.decide import Checker, HeaderNames
from loadsim.signing import Rejection

MAX_BODY = 1_000_000
READ_TIMEOUT_S = 10.0
RAW_BODIES: Mapping[str, Any] = MappingProxyType({"auto_decompress": False})
"""For `web.Application(handler_args=RAW_BODIES)`: aiohttp would unpack a compressed body before it can be verified."""
Refuse = Callable[[web.Request, Rejection], web.StreamResponse]


def refuse_as_json(request: web.Request, rejection: Rejection) -> web.StreamResponse:  # noqa: ARG001 - as `Refuse` has it
    """The answer of the companion receiver: `rejection.status` and its text, which tells a forger no more than that."""
    return web.json_response({"error": rejection.text}, status=rejection.status)


def verifying(
    verifier: Checker,
    *,
    open_resources: Collection[str] = (),
    max_body: int = MAX_BODY,
    read_timeout_s: float | None = READ_TIMEOUT_S,
    refuse: Refuse = refuse_as_json,
    clock: Callable[[], float] = time.time,
) -> Middleware:
    """A middleware for `web.Application(middlewares=[…])`, or for a sub-application with the webhooks in it.

    `verifier` as `Scheme.verifier` makes it. Whatever the method, a request is verified unless the resource that the
    router found stands in `open_resources`, as it was added (`"/healthz"`); one that no route takes is refused too. A
    body over `max_body` bytes is answered with 413, one that takes longer than `read_timeout_s` with 408; a repeated
    header is joined by ", ", so that none hides another. `refuse` makes the answer to a refused delivery. What reaches
    the handler is genuine: `request.read()`, `.text()` and `.json()` give the verified bytes, compressed ones as they
    came. Without RAW_BODIES a compressed body is answered with 415, since the bytes that were signed are gone.
    """
    pick = HeaderNames(verifier.header_names).pick
    open_to_all = frozenset(open_resources)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in open_to_all:
            return await handler(request)
        if "Content-Encoding" in request.headers and _unpacks(request):
            return _error(415, "Compressed body")
        length = request.content_length
        if length is not None and length > max_body:
            return _error(413, "Body too large")
        came = request.content
        if came.is_eof() and came.total_bytes <= min(max_body, request.client_max_size or max_body):
            body = await request.read()  # it is all there: nothing to wait for, nothing to bound
        else:
            if request.client_max_size != max_body + 1:  # aiohttp once refused a body of exactly its limit
                with contextlib.suppress(RuntimeError):  # it was read before, under the application's own limit
                    request = request.clone(client_max_size=max_body + 1)
            read = await _read(request, max_body, read_timeout_s)
            if isinstance(read, web.StreamResponse):
                return read
            body = read
        headers, _ = pick(request.raw_headers)
        rejection = verifier.verify(headers, body, clock())
        if rejection is not None:
            return refuse(request, rejection)
        return await handler(request)

    return middleware


async def _read(request: web.Request, max_body: int, timeout_s: float | None) -> bytes | web.StreamResponse:
    """The whole body, or the answer to one that is too large, too slow or broken."""
    try:
        async with asyncio.timeout(timeout_s):
            body = await request.read()
    except TimeoutError:
        return _error(408, "Request took too long")
    except web.HTTPRequestEntityTooLarge:
        return _error(413, "Body too large")
    except (HttpProcessingError, web.RequestPayloadError, web.PayloadAccessError, ConnectionError):
        return _error(400, "Bad request")
    return body if len(body) <= max_body else _error(413, "Body too large")


def _unpacks(request: web.Request) -> bool:
    """Whether the server that this came to unpacks bodies, as aiohttp does by default."""
    server = getattr(request.protocol, "_manager", None)
    options: Mapping[str, Any] = getattr(server, "_kwargs", {})
    return bool(options.get("auto_decompress", True))


def _error(status: int, text: str) -> web.StreamResponse:
    """An answer to what was not read whole: its connection cannot go on."""
    answer = web.json_response({"error": text}, status=status)
    answer.force_close()
    return answer
