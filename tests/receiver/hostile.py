"""What hostile senders send: whole requests that are not HTTP as the standard has it, or not what they say they are.

Every one carries a genuine signature of the body that a lenient reader might see, so that nothing but the reader's care
keeps it out.
"""

from __future__ import annotations

import gzip
import random  # noqa: TID251 - mutations, from a seed
from collections.abc import Iterator

from loadsim.model import Secret
from tests.receiver.raw_client import BODY, PATH, request, signature

OTHER = Secret("another secret")
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
CL = b"Content-Length: %d\r\n" % len(BODY)
TE = b"Transfer-Encoding: chunked\r\n"
BOMB = gzip.compress(b" " * 30_000_000)
INSIDE = request()
"""A genuine request, for the body of another: whoever reads the wrong length takes it for one of its own."""


def framed(extra: bytes, body: bytes = BODY) -> bytes:
    """A signed POST whose framing is `extra` alone."""
    return request(b"", length=False, headers=signature(), extra=extra) + body


def start(line: bytes) -> bytes:
    """A signed POST with another request line."""
    return line + request()[request().index(b"\r\n") :]


SMUGGLING: dict[str, bytes] = {
    "length and chunks": framed(CL + TE, CHUNKED),
    "chunks and length": framed(TE + CL, CHUNKED),
    "a request in the body of one with both": framed(b"Content-Length: 4\r\n" + TE, b"0\r\n\r\n" + INSIDE),
    "two lengths": framed(CL + b"Content-Length: 3\r\n"),
    "two lengths, the short one first": framed(b"Content-Length: 3\r\n" + CL),
    "a list of lengths": framed(b"Content-Length: %d, 3\r\n" % len(BODY)),
    "a length with a plus": framed(b"Content-Length: +%d\r\n" % len(BODY)),
    "a length in hexadecimal": framed(b"Content-Length: 0x%x\r\n" % len(BODY)),
    "a length with an exponent": framed(b"Content-Length: 1e3\r\n"),
    "a length with an underscore": framed(b"Content-Length: 6_9\r\n"),
    "a negative length": framed(b"Content-Length: -1\r\n"),
    "a length beyond 64 bits": framed(b"Content-Length: 18446744073709551685\r\n"),
    "a length in other digits": framed("Content-Length: ٦٩\r\n".encode()),
    "an empty length": framed(b"Content-Length: \r\n"),
    "chunked, spelled wrong": framed(b"Transfer-Encoding: xchunked\r\n", CHUNKED),
    "chunked, and not last": framed(b"Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    "chunked and something else": framed(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKED),
    "chunked twice": framed(TE + TE, CHUNKED),
    "chunked behind a vertical tab": framed(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKED),
    "chunked, hidden by a blank before the colon": framed(CL + b"Transfer-Encoding : chunked\r\n", CHUNKED),
    "chunked, hidden by a folded line": framed(CL + b"X-A: b\r\n Transfer-Encoding: chunked\r\n", CHUNKED)
    .replace(b"X-A", b"Transfer-Encoding"),
    "chunked by a sender of 1.0": framed(CL + TE, CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a chunk size beyond 64 bits": framed(TE, b"1%016x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "a chunk size with a sign": framed(TE, b"+%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "a chunk size with a prefix": framed(TE, b"0x%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "a chunk size with an underscore": framed(TE, b"4_5\r\n%b\r\n0\r\n\r\n" % BODY),
    "a chunk longer than its size": framed(TE, b"%x\r\n%bxx\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "a chunk that ends in a line feed": framed(TE, b"%x\n%b\n0\n\n" % (len(BODY), BODY)),
    "a trailer that is a framing header": framed(TE, CHUNKED[:-2] + b"Content-Length : 3\r\n\r\n"),
    "a request behind a short length": framed(b"Content-Length: 3\r\n"),
}  # fmt: skip
"""Two readers might see two different requests in these."""

MALFORMED: dict[str, bytes] = {
    "no version": start(f"POST {PATH}".encode()),
    "version 2": start(f"POST {PATH} HTTP/2.0".encode()),
    "version 2, kept": request(version="2.0", extra=b"Connection: keep-alive\r\n"),
    "version 2, kept by another name": request(version="2.0", extra=b"Proxy-Connection: keep-alive\r\n"),
    "version 9": start(f"POST {PATH} HTTP/9.9".encode()),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no method": start(f" {PATH} HTTP/1.1".encode()),
    "a method in lower case": start(f"post {PATH} HTTP/1.1".encode()),
    "a long method": start(b"P" * 70_000 + f" {PATH} HTTP/1.1".encode()),
    "a method with a control character": start(f"PO\x01ST {PATH} HTTP/1.1".encode()),
    "tabs in the request line": start(f"POST\t{PATH}\tHTTP/1.1".encode()),
    "a long target": start(b"POST /" + b"a" * 70_000 + b" HTTP/1.1"),
    "a target with a null": start(f"POST {PATH}\0 HTTP/1.1".encode()),
    "a target in another alphabet": start("POST /вебхук HTTP/1.1".encode()),
    "a target that is no UTF-8": start(b"POST /\xff\xfe HTTP/1.1"),
    "a target that leaves": start(f"POST /..{PATH} HTTP/1.1".encode()),
    "a target that is encoded": start(b"POST /webhooks%2ftrackpilots HTTP/1.1"),
    "a target that is no URL": start(b"POST http://[ HTTP/1.1"),
    "an asterisk": start(b"POST * HTTP/1.1"),
    "a tunnel": start(b"CONNECT localhost:22 HTTP/1.1"),
    "a null in a value": framed(CL + b"X-A: a\0b\r\n"),
    "a carriage return in a value": framed(CL + b"X-A: a\rb\r\n"),
    "a null in a name": framed(CL + b"X\0A: b\r\n"),
    "a blank in a name": framed(CL + b"X A: b\r\n"),
    "no name": framed(CL + b": b\r\n"),
    "no colon": framed(CL + b"hello\r\n"),
    "a folded header": framed(CL + b"X-A: b\r\n c\r\n").replace(b"X-A: b\r\n c", b"X-Webhook-Timestamp: 1\r\n 2"),
    "nothing but line ends": b"\r\n" * 2000,
    "a record of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "noise": random.Random(5).randbytes(4096),
    "nulls": b"\0" * 4096,
    "a greeting of another protocol": b"EHLO example.test\r\n",
    "an upgrade": framed(CL + b"Connection: Upgrade\r\nUpgrade: h2c\r\n").replace(b"X-Webhook-Sig", b"X-Webhook-Sag"),
}  # fmt: skip
"""Nobody should see a request in these, or not one for us."""


def _repeated(name: bytes, value: bytes) -> bytes:
    return request(headers=signature() + name + b": " + value + b"\r\n")


FORGED: dict[str, bytes] = {
    "no signature": request(headers=b""),
    "an empty signature": request(headers=b"X-Webhook-Signature:\r\nX-Webhook-Timestamp:\r\n"),
    "a signature twice": request(headers=signature() * 2),
    "a wrong signature before the right one": request(
        headers=signature(secret=OTHER).split(b"\r\n")[0] + b"\r\n" + signature()
    ),
    "a second timestamp": _repeated(b"X-Webhook-Timestamp", b"1"),
    "a second signature in another spelling": _repeated(b"x-WEBHOOK-signature", b"0" * 64),
    "a signature in another alphabet": request(headers=signature().replace(b"Signature: ", "Signature: é".encode())),
    "a signature of wide digits": request(headers="X-Webhook-Signature: ００\r\nX-Webhook-Timestamp: １\r\n".encode()),
    "a signature of 60 KB": request(headers=signature().replace(b"Signature: ", b"Signature: " + b"a" * 60_000)),
    "a list of signatures": request(headers=signature().replace(b"Signature: ", b"Signature: " + b"ab," * 9_000)),
    "the key of nobody": request(headers=signature(secret=OTHER)),
    "an old signature": request(headers=signature(age_s=4_000)),
    "a signature of the future": request(headers=signature(age_s=-4_000)),
    "another body": request(BODY + b" ", headers=signature()),
    "half the body": request(BODY[:-9], headers=signature()),
    "a bomb": request(BOMB, headers=signature(), extra=b"Content-Encoding: gzip\r\n"),
    "a bomb in chunks": framed(TE + b"Content-Encoding: gzip\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)),
    "a body of nothing but brackets": request(b"[" * 90_000, headers=signature()),
}
"""HTTP as it should be, and not from the sender that it says."""

UNFINISHED: dict[str, bytes] = {
    "half a request line": b"POST /web",
    "half a header": request()[:60],
    "no blank line": request()[: request().index(b"\r\n\r\n") + 2],
    "half a body": request()[:-5],
    "a length too long": framed(b"Content-Length: %d\r\n" % (len(BODY) + 1)),
    "no last chunk": framed(TE, CHUNKED[:-5]),
    "half a chunk size": framed(TE, b"4"),
    "no body where one is expected": framed(CL + b"Expect: 100-continue\r\n", b""),
}
"""These never end."""

CORPUS = {**SMUGGLING, **MALFORMED, **FORGED, **UNFINISHED}


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """Forged requests with something changed, cut out, put in or repeated in each."""
    random_source = random.Random(seed)
    for _ in range(count):
        data = bytearray(
            request(headers=signature(secret=OTHER), extra=random_source.choice((b"", TE, b"Expect: x\r\n")))
        )
        for _ in range(random_source.randint(1, 4)):
            place = random_source.randrange(len(data))
            piece = random_source.choice(
                (b"\r\n", b"\n", b"\0", b" ", b":", b"\xff", b"0", b"\r\n\r\n", random_source.randbytes(3))
            )
            data[place : place + random_source.choice((0, 0, 1, 5))] = piece * random_source.choice((1, 1, 1, 300))
        yield bytes(data)
