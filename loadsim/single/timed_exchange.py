"""Sends one signed event and returns the answer, or the reason why there was none, with the time of each step.

Redirects are not followed, nothing is retried, no proxy is used.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadsim import __version__
from loadsim.engine.endpoint_addresses import Address
from loadsim.engine.preflight import check_reachable
from loadsim.engine.resolved_endpoint import Wire, head_of, look_up
from loadsim.engine.tls_settings import Trust, client_context, offer
from loadsim.engine.transport_interface import KeepingTransport
from loadsim.engine.url_authority import Authority, authority
from loadsim.error_kinds import ErrorKind
from loadsim.model import SignedRequest, UnreachableError, UsageError
from loadsim.plan import Headers, Http, HttpVersion, headers_over
from loadsim.single.failure_words import failure_of
from loadsim.single.result import Failure, Response, Timings
from loadsim.single.single_exchange import RESPONSE_LIMIT, SingleExchange

_of_address = functools.partial(socket.getaddrinfo, flags=socket.AI_NUMERICHOST)
"""As `getaddrinfo`, for addresses only, which need no look-up."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The sent request and its outcome."""

    headers: Headers
    timings: Timings
    outcome: Response | Failure
    http: HttpVersion | None
    """The version that the event was, or would have been, sent in; None: the name of the host was not resolved."""


async def exchange(
    url: str,
    request: SignedRequest,
    *,
    headers: Mapping[str, str | tuple[str, ...]],
    timeout_s: float,
    trust: Trust,
    chunk: int | None = None,
    http: Http = "1.1",
) -> Exchange:
    """POST `request` to `url`, once. `headers` are added to the request's own and replace those with the same name.

    With `chunk` the body is sent in chunks of that many bytes, without a length. Returns an Exchange whose outcome is
    the Response, whatever its status, or the Failure. Raises UsageError when a file named in `trust` cannot be used.
    """
    sent = headers_over({"User-Agent": f"loadsim/{__version__}", **dict(request.header_pairs())}, headers)
    if "authorization" in map(str.lower, sent) and "@" in urlsplit(url).netloc:
        raise UsageError("credentials are given both in the URL and in an Authorization header: keep one of them")
    if not hasattr(select, "epoll"):
        raise UsageError("sending single events needs Linux (epoll)")
    there, secure = authority(url), urlsplit(url).scheme == "https"
    context = client_context(trust, ssl.SSLContext, system=secure, http=http)
    failed = functools.partial(failure_of, url=url, timeout_s=timeout_s)
    began = time.perf_counter()
    try:
        addresses, dns = await asyncio.wait_for(_addresses(there), timeout_s)
    except (UnreachableError, TimeoutError) as error:
        kind = ErrorKind.dns if isinstance(error, UnreachableError) else ErrorKind.connect_timeout
        total = (time.perf_counter() - began) * 1000
        return Exchange(sent, Timings(total=total), failed(kind, str(error), http="1.1"), None)
    wire = Wire(url, addresses, there.tls_name, context if secure else None, b"", http=http)
    version = await _version(wire, timeout_s)
    usual: Headers = {"Connection": "close"} if version == "1.1" else {}
    wire = dataclasses.replace(wire, http=version, head=head_of(url, there, usual, sent, version))
    one = SingleExchange(functools.partial(_transport, wire, chunk), functools.partial(failed, http=version))
    outcome, timings = await one.run(SignedRequest(b"", request.body), timeout_s - (dns or 0.0) / 1000)
    return Exchange(sent, dataclasses.replace(timings, dns=dns, total=(dns or 0.0) + timings.total), outcome, version)


async def _addresses(there: Authority) -> tuple[tuple[Address, ...], float | None]:
    """The host's addresses, and how long its name took to resolve, in ms."""
    try:
        return look_up(there, _of_address), None
    except UnreachableError:
        began = time.perf_counter()
        found = await asyncio.to_thread(look_up, there)
        return found, (time.perf_counter() - began) * 1000


async def _version(wire: Wire, timeout_s: float) -> HttpVersion:
    """The version of HTTP to speak: for `auto` what an https endpoint prefers, where it can be reached."""
    if wire.http != "auto":
        return wire.http
    if wire.tls is None:
        return "1.1"
    try:
        agreed = await asyncio.to_thread(check_reachable, wire, timeout_s)
    except UnreachableError:
        agreed = "1.1"  # the exchange says why
    offer(wire.tls, agreed)
    return agreed


def _transport(wire: Wire, chunk: int | None) -> KeepingTransport:
    loop = asyncio.get_running_loop()
    if wire.http == "1.1":
        from loadsim.engine.single_transport import SingleTransport

        return SingleTransport(loop, wire, keep=RESPONSE_LIMIT, piece=chunk)
    from loadsim.engine.delivery_headers import DeliveryHeaders
    from loadsim.engine.http2_transport import Http2Transport

    return Http2Transport(loop, wire, DeliveryHeaders(), streams=1, reuse=1, keep=RESPONSE_LIMIT + 1, piece=chunk)
