"""Verification for a user's own aiohttp application: a middleware that passes only genuine deliveries to handlers.

Every request is verified unless its resource is listed as open. The resource is the one that the router found, so other
spellings of a path do not matter. The body is read once, up to a limit and a deadline, and stays readable for the
handler. The raw bytes are verified, also under Content-Encoding: create the application with `handler_args=RAW_BODIES`.
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

from loadsim.receiver.answer_choice import HeaderNames
from loadsim.signing import Checker, Rejection

MAX_BODY = 1_000_000
READ_TIMEOUT_S = 10.0
RAW_BODIES: Mapping[str, Any] = MappingProxyType({"auto_decompress": False})
"""For `web.Application(handler_args=RAW_BODIES)`: aiohttp would unpack a compressed body before it can be verified."""
Refuse = Callable[[web.Request, Rejection], web.StreamResponse]


def refuse_as_json(request: web.Request, rejection: Rejection) -> web.StreamResponse:  # noqa: ARG001 - as `Refuse` has it
    """The answer of the companion receiver: `rejection.status` and its text, which gives a forger no further
    details."""
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

    `verifier` is what `Scheme.verifier` returns. A request with any method is verified unless the resource that the
    router found is in `open_resources`, written as it was added (`"/healthz"`). A request without a route is refused
    too. A body over `max_body` bytes is answered with 413, one that takes longer than `read_timeout_s` with 408.
    Repeated headers are joined by ", ", so that none hides another. `refuse` makes the answer to a refused delivery.
    Handlers get genuine deliveries only: `request.read()`, `.text()` and `.json()` return the verified bytes, still
    compressed if they were sent so. Without RAW_BODIES a compressed body is answered with 415, because the bytes that
    were signed are not available.
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
            body = await request.read()  # it is complete: no wait and no limit is needed
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
    """The complete body, or the answer to one that is too large, too slow or broken."""
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
    """Whether the server of this request decompresses bodies, as aiohttp does by default."""
    server = getattr(request.protocol, "_manager", None)
    options: Mapping[str, Any] = getattr(server, "_kwargs", {})
    return bool(options.get("auto_decompress", True))


def _error(status: int, text: str) -> web.StreamResponse:
    """An answer to a request that was not read completely: its connection is closed."""
    answer = web.json_response({"error": text}, status=status)
    answer.force_close()
    return answer
