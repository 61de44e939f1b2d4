"""Sends one signed event and returns the answer, or the reason why there was none, with the time of each step.

Uses aiohttp's client and its tracing. Redirects are not followed, nothing is retried, no proxy is used.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from loadsim import __version__
from loadsim.engine.preflight import check_reachable
from loadsim.engine.resolved_endpoint import resolve
from loadsim.engine.tls_settings import Trust, client_context
from loadsim.engine.url_authority import authority, place_of, request_target
from loadsim.error_kinds import ErrorKind
from loadsim.model import SignedRequest, UnreachableError, UsageError
from loadsim.plan import Headers, Http, Target, header_pairs, headers_over
from loadsim.single.result import Failure, Response, Timings

_CLOSING_TURNS = 8
_HTTP1 = b"HTTP/1."
RESPONSE_LIMIT = 1_000_000
"""Bytes of a response that are kept; the rest is not read."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The sent request and its outcome."""

    headers: Headers
    timings: Timings
    outcome: Response | Failure


class _Context(ssl.SSLContext):
    """Records the start of a TLS handshake, which the client's tracing does not separate from connecting."""

    began: float | None = None

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        self.began = time.perf_counter()
        return super().wrap_bio(*args, **kwargs)


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
    the Answer, whatever its status, or the Failure. Raises UsageError when a file named in `trust` cannot be used.
    """
    sent = headers_over({"User-Agent": f"loadsim/{__version__}", **dict(request.header_pairs())}, headers)
    if "authorization" in map(str.lower, sent) and "@" in urlsplit(url).netloc:
        raise UsageError("credentials are given both in the URL and in an Authorization header: keep one of them")
    if http != "1.1":
        over = await _over_http2(url, request.body, sent, timeout_s, trust, chunk, http)
        if over is not None:
            return over
    context = client_context(trust, _Context, system=url.lower().startswith("https:"))
    clock = _Clock(context)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    connector = _Connector(context)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trace_configs=[clock.tracing()], auto_decompress=False
    ) as session:
        body = request.body if chunk is None else _chunks(request.body, chunk)
        outcome = await _outcome(session, url, body, sent, clock, timeout_s)
        clock.mark("end")
    for _ in range(_CLOSING_TURNS):  # aborted TLS connections close in the loop's next turns
        await asyncio.sleep(0)
    return Exchange(sent, clock.timings(), outcome)


async def _over_http2(
    url: str, body: bytes, sent: Headers, timeout_s: float, trust: Trust, chunk: int | None, http: Http
) -> Exchange | None:
    """As `exchange`. None where `http` is `auto`, and the endpoint prefers HTTP/1.1 or cannot be reached: HTTP/1.1 then
    says why."""
    from loadsim.single.http2_exchange import Http2Exchange

    target = Target(url=url, insecure=trust.insecure, cacert=trust.cacert, cert=trust.cert, key=trust.key, http=http)
    begin = time.perf_counter()
    try:
        wire = await asyncio.to_thread(resolve, target, key_password=trust.password)
        resolved = time.perf_counter()
    except UnreachableError as error:
        return Exchange(sent, Timings(total=(time.perf_counter() - begin) * 1000), Failure(ErrorKind.dns, str(error)))
    if http == "auto":
        try:
            agreed = await asyncio.to_thread(check_reachable, wire, timeout_s)
        except UnreachableError:
            return None
        if agreed != "2":
            return None
    host = {"Host": authority(url).header}
    lines = "".join(f"{name}: {value}\r\n" for name, value in header_pairs(headers_over(host, sent)))
    head = f"POST {request_target(url)} HTTP/2\r\n{lines}".encode()
    outcome, timings = await Http2Exchange(wire, head, SignedRequest(b"", body), RESPONSE_LIMIT, chunk).run(timeout_s)
    dns = (resolved - begin) * 1000
    return Exchange(sent, dataclasses.replace(timings, dns=dns, total=dns + timings.total), outcome)


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _outcome(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes | AsyncIterator[bytes],
    headers: Headers,
    clock: _Clock,
    timeout_s: float,
) -> Response | Failure:
    try:
        async with session.post(
            _ascii(url),
            data=body,
            headers=CIMultiDict(header_pairs(headers_over({"Host": authority(url).header}, headers))),
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding"),
        ) as response:
            if not 100 <= response.status <= 599:
                return Failure(ErrorKind.protocol, _no_http(place_of(url)))
            kept, truncated = await _read(response)
            pairs = tuple((_text(name), _text(value)) for name, value in response.raw_headers)
            return Response(response.status, response.reason or "", pairs, kept, truncated)
    except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as error:
        return _failure(error, url, clock, timeout_s)


def _ascii(url: str) -> URL:
    """The URL as it is sent: ASCII characters in its path stay unchanged."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    host = authority(url)
    place = f"[{host.lookup}]" if ":" in host.lookup else host.lookup
    return URL(f"{parts.scheme}://{user}{at}{place}:{host.port}{request_target(url)}", encoded=True)


class _Handler(ResponseHandler):
    """Accepts answers of HTTP/1.x only: aiohttp would also accept RTSP/1.0, ICE/1.0 and HTTP/2.0."""

    _began = b""

    def data_received(self, data: bytes) -> None:
        if len(self._began) < len(_HTTP1):
            self._began = (self._began + data).lstrip(b"\r\n")[: len(_HTTP1)]
            if not _HTTP1.startswith(self._began):
                data = b"\0"  # which no parser takes for anything
        super().data_received(data)


class _Connector(aiohttp.TCPConnector):
    """Keeps the zone of a link-local address, which aiohttp loses."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(ssl=context, force_close=True)
        handler: type[ResponseHandler] = _Handler
        self._factory = functools.partial(handler, loop=asyncio.get_running_loop())

    def _convert_hosts_to_addr_infos(self, hosts: list[ResolveResult]) -> list[Any]:
        found = []
        for host in hosts:
            # an address, which needs no look-up
            found += socket.getaddrinfo(
                host["host"], host["port"], type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        return found


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    kept = bytearray()
    async for chunk in response.content.iter_any():
        kept += chunk
        if len(kept) > RESPONSE_LIMIT:
            response.close()
            return bytes(kept[:RESPONSE_LIMIT]), True
    return bytes(kept), False


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


class _Clock:
    """The instants of one exchange, by name, in seconds of the performance counter."""

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._at = {"begin": time.perf_counter()}

    def mark(self, name: str) -> None:
        """Record that `name` happens now."""
        self._at[name] = time.perf_counter()

    def reached(self, name: str) -> bool:
        """Whether the exchange reached this instant."""
        return name in self._at

    def tracing(self) -> aiohttp.TraceConfig:
        """The client's trace points, recorded by name."""
        config = aiohttp.TraceConfig()
        for signal, name in (
            (config.on_dns_resolvehost_start, "dns_begin"),
            (config.on_dns_resolvehost_end, "dns_end"),
            (config.on_connection_create_start, "connect_begin"),
            (config.on_connection_create_end, "connect_end"),
            (config.on_request_end, "head"),
        ):
            signal.append(self._marker(name))
        return config

    def _marker(self, name: str) -> Any:
        async def mark(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
            self.mark(name)

        return mark

    def timings(self) -> Timings:
        """The duration of each step that happened, in ms."""
        at = dict(self._at)
        handshake = self._context.began
        if handshake is not None:
            at["handshake"] = handshake
        connect_begin = "dns_end" if "dns_end" in at else "connect_begin"
        return Timings(
            dns=_ms(at, "dns_begin", "dns_end"),
            connect=_ms(at, connect_begin, "handshake" if handshake is not None else "connect_end"),
            tls=_ms(at, "handshake", "connect_end"),
            first_byte=_ms(at, "connect_end", "head"),
            total=(at["end"] - at["begin"]) * 1000,
        )


def _ms(at: Mapping[str, float], begin: str, end: str) -> float | None:
    return (at[end] - at[begin]) * 1000 if begin in at and end in at else None


def _failure(error: Exception, url: str, clock: _Clock, timeout_s: float) -> Failure:
    """The error kind and a line of advice for an exception."""
    place = place_of(url)
    match error:
        case TimeoutError() if clock.reached("connect_end"):
            return Failure(
                ErrorKind.timeout, f"no answer from {place} within {timeout_s:g} s: is the server stuck? (timeout)"
            )
        case TimeoutError():
            text = f"no connection to {place} within {timeout_s:g} s: is the address right, does a firewall drop it?"
            return Failure(ErrorKind.connect_timeout, text)
        case aiohttp.ClientConnectorDNSError() | UnicodeError():
            return Failure(
                ErrorKind.dns, f"cannot resolve the host name {urlsplit(url).hostname}: is it spelled correctly?"
            )
        case aiohttp.ClientConnectorCertificateError():
            return Failure(ErrorKind.tls, _untrusted(place, error.certificate_error))
        case aiohttp.ClientSSLError():
            text = f"TLS with {place} failed ({_tls_reason(error.os_error)}): does that port speak https?"
            return Failure(ErrorKind.tls, text)
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return Failure(ErrorKind.refused, f"nothing listens at {place}: is the server running, is the port right?")
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror or type(error.os_error).__name__
            return Failure(ErrorKind.connect_error, f"cannot connect to {place}: {reason.lower()}")
        case aiohttp.ServerDisconnectedError():
            return Failure(ErrorKind.closed_early, f"{place} closed the connection without an answer: see its log")
        case aiohttp.ClientPayloadError():
            return Failure(
                ErrorKind.truncated, f"{place} closed the connection in the middle of its answer: see its log"
            )
        case aiohttp.ClientOSError():
            return _broken(place, error.__cause__)
        case aiohttp.ClientResponseError():
            return Failure(ErrorKind.protocol, _no_http(place))
    raise error


def _broken(place: str, cause: BaseException | None) -> Failure:
    if isinstance(cause, ssl.SSLError):
        text = f"TLS with {place} broke ({_tls_reason(cause)}): see its log, and check proxies in between"
        return Failure(ErrorKind.tls, text)
    return Failure(ErrorKind.reset, f"{place} broke the connection before an answer: see its log")


def _no_http(place: str) -> str:
    return f"the answer of {place} is not HTTP: does another service listen there?"


def _untrusted(place: str, error: Exception) -> str:
    reason = getattr(error, "verify_message", "") or "not trusted"
    return f"the certificate of {place} is not accepted ({reason}): name its CA (cacert), or accept it (insecure)"


def _tls_reason(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or "no reason given").replace("_", " ").lower()
