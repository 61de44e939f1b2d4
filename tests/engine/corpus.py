"""Answers that are unusual or wrong, each with what it is to a client, and the rule that says so.

Data: bytes as they come off the wire, and what both transports must make of them.
"""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """`keeps`: whether the connection may carry another event after it."""

    name: str
    raw: bytes
    expected: str
    """The outcome; of an answer that only the end of the connection ends, the outcome then."""
    until_close: bool = False
    keeps: bool = True

    @property
    def stays(self) -> bool:
        """Whether the connection is used again."""
        return self.keeps and not self.until_close and self.expected != "protocol"


def head(*fields: str, start: str = "HTTP/1.1 200 OK", body: str = "") -> bytes:
    """A response in Latin-1."""
    return ("\r\n".join([start, *fields, "", ""]) + body).encode("latin-1")


def started(start: str) -> bytes:
    """A response of two bytes with this first line."""
    return head("Content-Length: 2", start=start, body="ok")


def fielded(*fields: str) -> bytes:
    """A response of two bytes with these fields before its length."""
    return head(*fields, "Content-Length: 2", body="ok")


def chunked(body: str, *fields: str) -> bytes:
    """A response with this chunked body."""
    return head("Transfer-Encoding: chunked", *fields, body=body)


def coded(coding: str, body: str = "0\r\n\r\n") -> bytes:
    """A response with this transfer coding."""
    return head(f"Transfer-Encoding: {coding}", body=body)


OK = fielded()
INTERIM = head(start="HTTP/1.1 103 Early Hints")

STATUS_LINES = [
    # RFC 9112, 4 and RFC 9110, 15: three digits, from 100 to 599
    *(Answer(f"status {code}", started(f"HTTP/1.1 {code} X"), "protocol") for code in ("000", "001", "042", "099")),
    *(Answer(f"status {code}", started(f"HTTP/1.1 {code} X"), "protocol") for code in (600, 700, 999, 1000, 20, "2xx")),
    *(Answer(f"status {code}", started(f"HTTP/1.1 {code} X"), str(code)) for code in (200, 299, 300, 418, 500, 599)),
    Answer("a negative status", started("HTTP/1.1 -200 OK"), "protocol"),
    Answer("a status with a fraction", started("HTTP/1.1 200.1 OK"), "protocol"),
    Answer("no reason and no space", started("HTTP/1.1 200"), "200"),
    Answer("no reason", started("HTTP/1.1 200 "), "200"),
    Answer("two spaces before the status", started("HTTP/1.1  200 OK"), "protocol"),
    Answer("a tab before the status", started("HTTP/1.1\t200 OK"), "protocol"),
    Answer("a tab before the reason", started("HTTP/1.1 200\tOK"), "protocol"),
    # the content of a reason is ignored
    Answer("a reason in Latin-1", started("HTTP/1.1 200 d\xe9j\xe0"), "200"),
    Answer("a control character in the reason", started("HTTP/1.1 200 O\x01K"), "200"),
    Answer("CR in the reason", started("HTTP/1.1 200 O\rK"), "protocol"),
    # RFC 9110, 2.5: a higher minor version is read as the highest known; another major one is another protocol
    Answer("HTTP/1.2", started("HTTP/1.2 200 OK"), "200"),
    Answer("HTTP/1.9", started("HTTP/1.9 200 OK"), "200"),
    Answer("HTTP/1.10", started("HTTP/1.10 200 OK"), "protocol"),
    Answer("HTTP/0.9", started("HTTP/0.9 200 OK"), "protocol"),
    Answer("HTTP/2.0", started("HTTP/2.0 200 OK"), "protocol"),
    Answer("HTTP/2", started("HTTP/2 200 OK"), "protocol"),
    Answer("HTTP/3.1", started("HTTP/3.1 200 OK"), "protocol"),
    Answer("a lower-case name", started("http/1.1 200 OK"), "protocol"),
    Answer("RTSP/1.0", started("RTSP/1.0 200 OK"), "protocol"),
    Answer("RTSP/1.1", started("RTSP/1.1 200 OK"), "protocol"),
    Answer("ICE/1.0", started("ICE/1.0 200 OK"), "protocol"),
    Answer("ICY", started("ICY 200 OK"), "protocol"),
    Answer("RTSP until it closes", head(start="RTSP/1.0 200 OK", body="ok"), "protocol", until_close=True),
    Answer("600 until it closes", head(start="HTTP/1.1 600 X", body="ok"), "protocol", until_close=True),
    Answer("an empty line first", b"\r\n" + OK, "200"),
    Answer("an empty line in LF first", b"\n" + OK, "200"),
    Answer("a space first", b" " + OK, "protocol"),
    Answer("a byte order mark first", b"\xef\xbb\xbf" + OK, "protocol"),
]

LINE_ENDS = [
    # RFC 9112, 2.2: a lone LF may end a line of the header block; a lone CR is invalid
    Answer("LF everywhere in the head", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200"),
    Answer("LF after the status line", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", "200"),
    Answer("LF after a status without reason", b"HTTP/1.1 200\nContent-Length: 2\r\n\r\nok", "200"),
    Answer("LF after a field", b"HTTP/1.1 200 OK\r\nX: v\nContent-Length: 2\r\n\r\nok", "200"),
    Answer("LF as the blank line", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", "200"),
    Answer("LF before the blank line", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok", "200"),
    Answer("CR everywhere in the head", b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok", "protocol"),
    Answer("CR in a name", b"HTTP/1.1 200 OK\r\nX\rY: v\r\nContent-Length: 2\r\n\r\nok", "protocol"),
    Answer("CR in a value", b"HTTP/1.1 200 OK\r\nX: v\rw\r\nContent-Length: 2\r\n\r\nok", "protocol"),
    Answer("CR CR LF", b"HTTP/1.1 200 OK\r\nX: v\r\r\nContent-Length: 2\r\n\r\nok", "protocol"),
]

FIELDS = [
    # RFC 9112, 5.2: a folded line is one line
    Answer("a folded value", fielded("X: one", "  two"), "200"),
    Answer("a value folded by a tab", fielded("X: one", "\ttwo", " three"), "200"),
    Answer("a folded value in LF", fielded("X: one", " two").replace(b"\r\n", b"\n"), "200"),
    Answer("a folded length", head("Content-Length:", " 2", body="ok"), "200"),
    Answer("a folded length, a digit on each line", head("Content-Length: 1", " 2", body="ok"), "protocol"),
    Answer("a folded coding", head("Transfer-Encoding:", " chunked", body="2\r\nok\r\n0\r\n\r\n"), "200"),
    Answer("a folded close", fielded("Connection:", " close"), "200", keeps=False),
    Answer("a folded line of spaces", fielded("X: one", "   "), "200"),
    Answer("a folded value until it closes", head("X: one", " two", body="ok"), "200", until_close=True),
    Answer("a folded value after an interim answer", INTERIM + fielded("X: one", " two"), "200"),
    Answer("a folded value, then garbage", fielded("X: one", " two", "Y(: v"), "protocol"),
    # 2.2: lines that begin with a space right after the status line are ignored
    Answer("a folded status line", head(" Content-Length: 5", "Content-Length: 2", body="ok"), "200"),
    # RFC 9110, 5.5: NUL, CR and LF are refused, other control characters may stay
    Answer("NUL in a value", fielded("X: a\0b"), "protocol"),
    Answer("NUL in a name", fielded("X\0Y: v"), "protocol"),
    *(Answer(f"character {n} in a value", fielded(f"X: a{chr(n)}b"), "200") for n in (1, 7, 8, 9, 11, 12, 27, 31, 127)),
    *(Answer(f"character {n} in a name", fielded(f"X{chr(n)}: v"), "protocol") for n in (1, 9, 27, 32, 34, 40, 127)),
    Answer("a control character in an interim answer", head("X: \x01", start="HTTP/1.1 103 E") + OK, "200"),
    Answer("Latin-1 in a value", fielded("X: d\xe9j\xe0"), "200"),
    Answer("Latin-1 in a name", fielded("X\xe9: v"), "protocol"),
    Answer("an empty value", fielded("X:"), "200"),
    Answer("an empty name", fielded(": v"), "protocol"),
    Answer("a line without a colon", fielded("X"), "protocol"),
    # 5.1: no space between name and colon
    Answer("a space before the colon", fielded("X : v"), "protocol"),
    Answer("a space before the colon of the length", head("Content-Length : 2", body="ok"), "protocol"),
    Answer("a space before the colon of the coding", head("Transfer-Encoding : chunked", body="0\r\n\r\n"), "protocol"),
]

LENGTHS = [
    # RFC 9112, 6.3: one length, or several that agree
    Answer("the same length twice", head("Content-Length: 2", "Content-Length: 2", body="ok"), "200"),
    Answer("the same length in a list", head("Content-Length: 2, 2", body="ok"), "200"),
    Answer("the same length, written otherwise", head("Content-Length: 2", "content-length: 02,2", body="ok"), "200"),
    Answer("two lengths", head("Content-Length: 2", "Content-Length: 3", body="ok!"), "protocol"),
    Answer("two lengths in a list", head("Content-Length: 2, 3", body="ok!"), "protocol"),
    Answer("a length and garbage", head("Content-Length: 2", "Content-Length: x", body="ok"), "protocol"),
    Answer("a length with a leading zero", head("Content-Length: 02", body="ok"), "200"),
    Answer("a length with spaces around it", head("Content-Length:   2  ", body="ok"), "200"),
    Answer("a length without a space", head("Content-Length:2", body="ok"), "200"),
    *(
        Answer(f"the length {value!r}", head(f"Content-Length: {value}", body="ok"), "protocol")
        for value in ("", "+2", "-2", "0x2", "2 2", "2;", "1_0", "2.0", "two", "9" * 30, ",", "2,", "\xb2")
    ),
    Answer("204 without length", head(start="HTTP/1.1 204 No Content"), "204"),
    Answer("204 with a length", head("Content-Length: 2", start="HTTP/1.1 204 No Content"), "204"),
    Answer("204 with a coding", head("Transfer-Encoding: chunked", start="HTTP/1.1 204 No Content"), "204"),
    Answer("204 with a body", head("Content-Length: 2", start="HTTP/1.1 204 No Content", body="ok"), "protocol"),
    Answer("304 with a length", head("Content-Length: 2", start="HTTP/1.1 304 Not Modified"), "304"),
    Answer("205 without length", head(start="HTTP/1.1 205 Reset Content"), "205", until_close=True),
]

CODINGS = [
    # RFC 9112, 6.3: a body whose last coding is not chunked ends with the connection
    Answer("identity", coded("identity", "ok"), "200", until_close=True),
    Answer("gzip", coded("gzip", "ok"), "200", until_close=True),
    Answer("chunked, then gzip", coded("chunked, gzip", "ok"), "200", until_close=True),
    Answer("chunked with a parameter", coded("chunked;q=1", "ok"), "200", until_close=True),
    Answer("a coding that ends in chunked", coded("xchunked", "ok"), "200", until_close=True),
    Answer(
        "chunked, then gzip, in two fields",
        head("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", body="ok"),
        "200",
        until_close=True,
    ),
    Answer("gzip, then chunked", coded("gzip, chunked"), "200"),
    Answer(
        "gzip, then chunked, in two fields",
        head("Transfer-Encoding: gzip", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
        "200",
    ),
    Answer("chunked in capitals", coded("CHUNKED"), "200"),
    Answer("chunked behind a comma", coded(", chunked"), "200"),
    Answer("no coding", coded(""), "protocol"),
    # 6.3: both "ought to be handled as an error"
    Answer("coding and length", head("Transfer-Encoding: chunked", "Content-Length: 5", body="0\r\n\r\n"), "protocol"),
    Answer("length and coding", head("Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n"), "protocol"),
    Answer("identity and length", head("Transfer-Encoding: identity", "Content-Length: 2", body="ok"), "protocol"),
    # 6.1: in HTTP/1.0 the framing cannot be relied upon any further
    Answer(
        "chunked in HTTP/1.0",
        head("Transfer-Encoding: chunked", "Connection: keep-alive", start="HTTP/1.0 200 OK", body="0\r\n\r\n"),
        "200",
        keeps=False,
    ),
]

CHUNKS = [
    # RFC 9112, 7.1
    Answer("a chunk", chunked("2\r\nok\r\n0\r\n\r\n"), "200"),
    Answer("zeros before the size", chunked("0002\r\nok\r\n000\r\n\r\n"), "200"),
    Answer("a size in capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "200"),
    Answer("an extension", chunked('2;a=b;c="d;e"\r\nok\r\n0;x\r\n\r\n'), "200"),
    Answer("a space before an extension", chunked("2 ;a=b\r\nok\r\n0\r\n\r\n"), "200"),
    Answer("a space after the size", chunked("2 \r\nok\r\n0 \r\n\r\n"), "200"),
    Answer("spaces and tabs after the size", chunked("2 \t  \r\nok\r\n0\r\n\r\n"), "200"),
    Answer("a space before the size", chunked(" 2\r\nok\r\n0\r\n\r\n"), "protocol"),
    *(
        Answer(f"the size {size!r}", chunked(f"{size}\r\nok\r\n0\r\n\r\n"), "protocol")
        for size in ("", "-2", "+2", "0x2", "g", "2g", "2.0", "f" * 17)
    ),
    Answer("LF after a size", chunked("2\nok\r\n0\r\n\r\n"), "protocol"),
    Answer("CR after a size", chunked("2\rok\r\n0\r\n\r\n"), "protocol"),
    Answer("more in a chunk than its size", chunked("2\r\nok!\r\n0\r\n\r\n"), "protocol"),
    Answer("no line end after a chunk", chunked("2\r\nok0\r\n\r\n"), "protocol"),
    Answer("a trailer", chunked("2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"), "200"),
    Answer("a trailer that is none", chunked("2\r\nok\r\n0\r\nX\r\n\r\n"), "protocol"),
    Answer("chunked, closed in a size", chunked("2"), "truncated", until_close=True),
    Answer("chunked, closed before the last chunk", chunked("2\r\nok\r\n"), "truncated", until_close=True),
    Answer("chunked, closed before the last line", chunked("2\r\nok\r\n0\r\n"), "truncated", until_close=True),
    Answer("closed in a folded head", b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nY: ", "truncated", until_close=True),
]

CONNECTIONS = [
    # RFC 9112, 9.3 and 9.6
    Answer("close", fielded("Connection: close"), "200", keeps=False),
    Answer("close among others", fielded("Connection: x, CLOSE"), "200", keeps=False),
    Answer("keep-alive and close", fielded("Connection: keep-alive", "Connection: close"), "200", keeps=False),
    Answer("keep-alive", fielded("Connection: keep-alive"), "200"),
    # no field of HTTP; whoever sends it is about to close
    Answer("Proxy-Connection: close", fielded("Proxy-Connection: close"), "200", keeps=False),
    Answer("Proxy-Connection: keep-alive", fielded("Proxy-Connection: keep-alive"), "200"),
    Answer("HTTP/1.0", started("HTTP/1.0 200 OK"), "200", keeps=False),
    Answer("HTTP/1.0 kept", fielded("Connection: keep-alive").replace(b"1.1", b"1.0"), "200"),
    Answer(
        "HTTP/1.0 kept for a proxy", fielded("Proxy-Connection: keep-alive").replace(b"1.1", b"1.0"), "200", keeps=False
    ),
    Answer("an offer to upgrade", fielded("Connection: upgrade", "Upgrade: h2c"), "200"),
    Answer("until it closes", head(body="ok"), "200", until_close=True),
    Answer("until it closes, empty", head(), "200", until_close=True),
    Answer("until it closes, with blank lines", head(body="ok\r\n\r\nok\n\n"), "200", until_close=True),
    Answer("a second answer", OK + OK, "protocol"),
    Answer("the beginning of a second answer", OK + b"H", "protocol"),
    Answer("garbage behind the answer", OK + b"x", "protocol"),
    Answer("garbage behind the last answer", fielded("Connection: close") + b"x", "protocol"),
    Answer("an interim answer behind the answer", OK + INTERIM, "protocol"),
]

INTERIMS = [
    # RFC 9110, 15.2: any number of them, of which none has a body
    Answer("100", head(start="HTTP/1.1 100 Continue") + OK, "200"),
    Answer("102 and 103", head(start="HTTP/1.1 102 Processing") + INTERIM + OK, "200"),
    Answer("199", head(start="HTTP/1.1 199 What") + OK, "200"),
    Answer("forty of 103", INTERIM * 40 + OK, "200"),
    Answer("100 with a length", head("Content-Length: 0", start="HTTP/1.1 100 Continue") + OK, "200"),
    Answer("100 with close", head("Connection: close", start="HTTP/1.1 100 Continue") + OK, "200"),
    Answer("100 of HTTP/1.0", head(start="HTTP/1.0 100 Continue") + OK, "200"),
    Answer("100 with a body", head("Content-Length: 2", start="HTTP/1.1 100 Continue", body="ok") + OK, "protocol"),
    Answer("101", head("Connection: upgrade", "Upgrade: x", start="HTTP/1.1 101 Switching Protocols"), "protocol"),
    Answer("101 to nothing", head(start="HTTP/1.1 101 Switching Protocols"), "protocol"),
    Answer("101, folded", head("Upgrade: x", " y", "Connection: upgrade", start="HTTP/1.1 101 S"), "protocol"),
    Answer("100, then RTSP", head(start="HTTP/1.1 100 Continue") + started("RTSP/1.0 200 OK"), "protocol"),
    Answer("100, then 600", head(start="HTTP/1.1 100 Continue") + started("HTTP/1.1 600 X"), "protocol"),
    Answer(
        "100, then HTTP/1.0 kept by nothing",
        head(start="HTTP/1.1 100 C") + started("HTTP/1.0 200 OK"),
        "200",
        False,
        False,
    ),
    Answer("100, then until it closes", head(start="HTTP/1.1 100 Continue") + head(body="ok"), "200", until_close=True),
    Answer("100, then closed", head(start="HTTP/1.1 100 Continue"), "truncated", until_close=True),
    Answer("64 KiB of interim answers", INTERIM * 2600, "protocol"),
]

ANSWERS = [
    *STATUS_LINES,
    *LINE_ENDS,
    *FIELDS,
    *LENGTHS,
    *CODINGS,
    *CHUNKS,
    *CONNECTIONS,
    *INTERIMS,
]
