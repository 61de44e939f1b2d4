"""`receive --forward`: passes deliveries on to a local server, and its answers back to the sender.

As the `listen` commands of providers do, it passes on what the receiver's own check refuses too: the local server
verifies by itself. Body and headers stay as they came, so that the signature still verifies; only headers that belong
to one connection, and `Host`, are those of the new connection.
"""

from __future__ import annotations

import asyncio
import os
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import orjson

from loadsim.host_checks import is_loopback
from loadsim.model import NS_PER_S, UsageError
from loadsim.plan.scenario_rules import check_url
from loadsim.plan.typed_document import DocumentError
from loadsim.receiver.kept_fields import Field, text_of
from loadsim.report.numbers import milliseconds, printable

if TYPE_CHECKING:
    import aiohttp

LARGEST_ANSWER = 64_000_000
"""Most bytes of the body of an answer that are passed back."""
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "content-length"),
    }
)
"""RFC 9110, 7.6.1; the length is written anew."""
_OF_REQUEST = _HOP_BY_HOP | {"host", "expect"}
_IN_TARGET = string.punctuation.replace("#", "")
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer that is passed back: that of the local server, or ours where it has none (`problem` says why)."""

    status: int
    reason: str
    fields: tuple[Field, ...]
    body: bytes
    problem: str = ""

    def rendered(self, *, close: bool, head: bool) -> bytes:
        """As HTTP/1.1 bytes."""
        lines = [f"HTTP/1.1 {self.status} {self.reason}".encode("utf-8", "surrogateescape")]
        lines += [name + b": " + value for name, value in self.fields]
        if not head and self.status not in _BODILESS:
            lines.append(b"Content-Length: %d" % len(self.body))
        if close:
            lines.append(b"Connection: close")
        return b"\r\n".join((*lines, b"", b"" if head or self.status in _BODILESS else self.body))


def failed(status: int, reason: str, problem: str) -> Reply:
    """Our own answer, in the form of the receiver's refusals."""
    return Reply(status, reason, ((b"Content-Type", b"application/json"),), orjson.dumps({"error": problem}), problem)


def check_forward(url: str, port: int) -> None:
    """Raise UsageError for a URL that deliveries cannot, or must not, be passed on to. `port`: the receiver's own."""
    try:
        check_url("--forward", url)
    except DocumentError as error:
        raise UsageError(str(error)) from None
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise UsageError("--forward: leave the user name and password out of the URL: arguments can be read by others")
    if is_loopback(parts.hostname or "") and (parts.port or 80) == port:
        raise UsageError("--forward: this is the receiver's own address; start your server on another port")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UsageError("--forward: http is for this machine alone (127.0.0.1, localhost); use https for any other")


class Forwarder:
    """Passes deliveries on to `url`, each on a connection of its own.

    A URL without a path keeps the path of the delivery; the query of the delivery is always kept.
    """

    def __init__(self, url: str, timeout_ns: int) -> None:
        parts = urlsplit(url)
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._path, self._query = parts.path, parts.query
        self._timeout_s = timeout_ns / NS_PER_S
        self._session: aiohttp.ClientSession | None = None
        self.place = parts.netloc
        """The host and port, for messages."""

    async def forward(self, method: str, target: str, fields: Iterable[Field], body: bytes) -> Reply:
        """The local server's answer. Never raises."""
        import aiohttp

        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(method, target, fields, body)
        except TimeoutError:
            return failed(504, "Gateway Timeout", f"{self.place} gave no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(502, "Bad Gateway", _problem(self.place, error))

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, method: str, target: str, fields: Iterable[Field], body: bytes) -> Reply:
        from yarl import URL

        async with self._opened().request(
            method,
            URL(self._url(target), encoded=True),
            headers=_passed_on(fields),
            data=body or None,
            allow_redirects=False,
        ) as response:
            answer = bytearray()
            while piece := await response.content.readany():
                answer += piece
                if len(answer) > LARGEST_ANSWER:
                    return failed(502, "Bad Gateway", f"{self.place}: an answer of more than {LARGEST_ANSWER:,} bytes")
            if not 200 <= response.status <= 599:
                return failed(502, "Bad Gateway", f"{self.place} answered with the status {response.status}")
            dropped = _HOP_BY_HOP - ({"content-length"} if method == "HEAD" else frozenset())
            kept = tuple(_without(response.raw_headers, dropped))
            return Reply(response.status, response.reason or "", kept, bytes(answer))

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _url(self, target: str) -> str:
        path, mark, query = target[max(0, _path_starts(target)) :].partition("?")
        queries = "&".join(filter(None, (self._query, query)))
        whole = (self._path or path) + ("?" + queries if queries or mark else "")
        return self._base + quote(whole, safe=_IN_TARGET, encoding="latin-1")


def _problem(place: str, error: Exception) -> str:
    """Why there is no answer to pass back, in one line. It goes to the sender too: so it has neither the URL, whose
    query may hold a secret, nor what the local server wrote."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or type(error.certificate_error).__name__
        return f"{place} has a certificate that is not trusted: {why}"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"{place} does not speak TLS: use http, or look at its settings"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = (os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)).lower()
        return f"cannot connect to {place}: {why}: is the server running?"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"{place} closed the connection before its answer was complete"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        return f"{place} closed the connection without an answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer of {place} is not HTTP, or a line of its head is longer than 8 KB"
    return f"{place}: {type(error).__name__}"


def _path_starts(target: str) -> int:
    """Where the path begins, also in a target in absolute form (RFC 9112, 3.2.2)."""
    return 0 if target.startswith("/") else target.find("/", target.find("//") + 2)


def _passed_on(fields: Iterable[Field]) -> list[tuple[str, str]]:
    """The headers of the request, in their order, with what the local server would otherwise not know."""
    fields = list(fields)
    names = {name.lower() for name, _ in fields}
    kept = [(name.decode("latin-1"), text_of(value)) for name, value in _without(fields, _OF_REQUEST)]
    hosts = [text_of(value) for name, value in fields if name.lower() == b"host"]
    if hosts and b"x-forwarded-host" not in names:
        kept.append(("X-Forwarded-Host", hosts[0]))
    if b"x-forwarded-proto" not in names:
        kept.append(("X-Forwarded-Proto", "http"))
    return kept


def _without(fields: Iterable[Field], dropped: frozenset[str]) -> Iterable[Field]:
    """The fields without those dropped, and without those that `Connection` names."""
    fields = list(fields)
    named = {
        option.strip().lower().decode("latin-1")
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    return [field for field in fields if field[0].decode("latin-1").lower() not in dropped | named]


def progress_line(now_s: float, kind: str | None, reply: Reply, took_s: float, refusal: str | None) -> str:
    """One delivery in the receiver's terminal: time, event type, status, duration, and what is worth knowing.

    `refusal`: why the receiver's own check would have refused it.
    """
    notes = [reply.problem] if reply.problem else []
    if refusal is not None:
        notes.append(f"not accepted here: {refusal.replace('_', ' ')}")
    note = f"  ({'; '.join(notes)})" if notes else ""
    clock = time.strftime("%H:%M:%S", time.localtime(now_s))
    return printable(f"{clock}  {kind or 'unknown event'}  {reply.status}  {milliseconds(took_s * 1000)}{note}")
