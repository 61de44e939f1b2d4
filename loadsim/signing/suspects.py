"""The usual reasons why a signature does not match: each a changed scheme, key, body or URL, with its words.

A suspect is tried by signing with it; the one that gives the signature that came is the cause. Every suspect differs
in one thing from what the scheme says, so a match names that thing. Draws nothing, reads no clock, shows no secret.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from loadsim.model import Secret
from loadsim.signing.description import KEY_FORMS, Field, Scheme

LARGEST_BODY = 4_000_000
"""Bodies above this are not serialised again in other forms."""


class Suspect(NamedTuple):
    """One deviation: what would have to be used in place of what the scheme and the caller say."""

    words: str
    scheme: Scheme
    secret: Secret
    body: bytes
    url: str | None


def suspects(scheme: Scheme, secret: Secret, body: bytes, url: str | None) -> Iterator[Suspect]:
    """Every suspect, the likelier first."""
    for words, form in _bodies(body):
        yield Suspect(words, scheme, secret, form, url)
    for words, described, other in _keys(scheme, secret):
        yield Suspect(words, described, other, body, url)
    if scheme.signs_url and url is not None:
        for words, other_url in _urls(url):
            yield Suspect(words, scheme, secret, body, other_url)
    for words, described in _formulas(scheme):
        yield Suspect(words, described, secret, body, url)


# -- bodies ---------------------------------------------------------------------------------------------------------


def _bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The body as it may have been when it was signed."""
    seen = {body}
    for words, form in (*_edges(body), *_canonical(body)):
        if form not in seen:
            seen.add(form)
            yield words, form


def _edges(body: bytes) -> Iterator[tuple[str, bytes]]:
    kept = "the body that was signed"
    yield f"{kept} had a line break at its end, which this one has not", body + b"\n"
    yield f"{kept} had CRLF at its end, which this one has not", body + b"\r\n"
    yield f"{kept} had no white space at its end, which this one has", body.rstrip(b" \t\r\n")
    yield f"{kept} had CRLF line breaks, this one has LF", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield f"{kept} had LF line breaks, this one has CRLF", body.replace(b"\r\n", b"\n")
    yield f"{kept} had no byte order mark, this one has", body.removeprefix(b"\xef\xbb\xbf")
    yield f"{kept} began with a byte order mark, this one does not", b"\xef\xbb\xbf" + body
    yield "what was signed was an empty body", b""


def _canonical(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The same JSON as other serialisers write it."""
    if len(body) > LARGEST_BODY:
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    for spacing, layout in _LAYOUTS.items():
        for sort in (False, True):
            for ascii_only in (False, True):
                order = " with sorted keys" if sort else ""
                letters = ", every other letter than ASCII escaped" if ascii_only else ""
                try:
                    text = json.dumps(document, ensure_ascii=ascii_only, sort_keys=sort, **layout)
                    form = text.encode()
                except (ValueError, RecursionError, UnicodeEncodeError):
                    continue
                name = f"{spacing}{order}{letters}"
                yield _RESERIALISED.format(name), form
                yield _RESERIALISED.format(f"{name}, slashes escaped"), form.replace(b"/", b"\\/")
                yield _RESERIALISED.format(f"{name}, <, > and & escaped"), _html_safe(form)
                yield _RESERIALISED.format(f"{name}, a line break at the end"), form + b"\n"


_RESERIALISED = (
    "the body was parsed and serialised again between signing and this check: the signature is that of the same JSON "
    "written as {}; verify the raw bytes that arrive, before anything parses them"
)
_LAYOUTS: dict[str, dict[str, Any]] = {
    "compact JSON": {"separators": (",", ":")},
    "JSON with spaces": {"separators": (", ", ": ")},
    "JSON indented by 2": {"indent": 2},
    "JSON indented by 4": {"indent": 4},
    "JSON indented by tabs": {"indent": "\t"},
}


def _html_safe(form: bytes) -> bytes:
    return form.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


# -- keys -----------------------------------------------------------------------------------------------------------


def _keys(scheme: Scheme, secret: Secret) -> Iterator[tuple[str, Scheme, Secret]]:
    """The same secret turned into a key in another way than the scheme's."""
    text = secret.reveal()
    for key, words in KEY_FORMS.items():
        if key != scheme.key:
            yield (
                f"the sender takes {words} as the key, but scheme {scheme.name} takes {KEY_FORMS[scheme.key]}",
                dataclasses.replace(scheme, key=key),
                secret,
            )
    verbatim = dataclasses.replace(scheme, key="utf8")
    for words, other in (
        ("without white space around it", text.strip()),
        ("with a line break at its end", text + "\n"),
        ("without the prefix that ends in _", text.rpartition("_")[2]),
        ("without its whsec_", text.removeprefix("whsec_")),
        ("without the quotes around it", text.strip("\"'")),
        ("base64-encoded", base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()),
        ("hex-encoded", binascii.hexlify(text.encode("utf-8", "surrogatepass")).decode()),
    ):
        if other and other != text:
            yield f"the sender takes the secret {words} as the key", verbatim, Secret(other)


# -- URLs and formulas ----------------------------------------------------------------------------------------------


def _urls(url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return
    other = "http" if parts.scheme == "https" else "https"
    path = parts.path or "/"
    forms = {
        f"with {other}://": parts._replace(scheme=other).geturl(),
        "without the slash at its end": parts._replace(path=path.rstrip("/")).geturl(),
        "with a slash at its end": parts._replace(path=path.rstrip("/") + "/").geturl(),
        "without its query": parts._replace(query="").geturl(),
        "without a port": parts._replace(netloc=host).geturl(),
        "as its path alone": path + (f"?{parts.query}" if parts.query else ""),
        f"with {other}:// and without a port": parts._replace(scheme=other, netloc=host).geturl(),
    }
    if port is None:
        default = 443 if parts.scheme == "https" else 80
        forms[f"with the port {default}"] = parts._replace(netloc=f"{host}:{default}").geturl()
    for words, form in forms.items():
        if form != url:
            yield f"the sender has the URL {words} on file: set public_url to the URL that it has", form


def _formulas(scheme: Scheme) -> Iterator[tuple[str, Scheme]]:
    """The same scheme with another message, digest or encoding."""
    literals = [part for part in scheme.signed if isinstance(part, bytes)]
    for separator in (b".", b":", b",", b"", b"|", b"\n"):
        if len(scheme.signed) > 1:
            fields = [part for part in scheme.signed if isinstance(part, Field)]
            joined: list[Field | bytes] = []
            for field in fields:
                joined += [separator, field] if joined and separator else [field]
            described = dataclasses.replace(scheme, signed=tuple(joined))
            if described.signed != scheme.signed and literals:
                yield f"the sender signs {described.signed_text}, not {scheme.signed_text}", described
    if len(scheme.signed) > 1:
        body_only = dataclasses.replace(scheme, signed=(Field.body,))
        yield f"the sender signs the body alone, not {scheme.signed_text}", body_only
    for digest in ("sha256", "sha1", "sha512"):
        for encoding in ("hex", "base64", "base64url"):
            if (digest, encoding) != (scheme.digest, scheme.encoding):
                described = dataclasses.replace(scheme, digest=digest, encoding=encoding)
                yield f"the sender makes the {described.formula}, not the {scheme.formula}", described
