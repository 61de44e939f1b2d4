"""Common reasons for signatures that do not match: another key, URL or formula on one side.

A suspect is tested by signing with it: the suspect that gives the received signature, or whose signature an endpoint
accepts, is the cause. Each suspect differs from the scheme in one point. Changes of the body are in `misreadings`. The
secret is never shown.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from loadsim.model import Secret, UsageError
from loadsim.signing.algorithms import WRITERS
from loadsim.signing.composed import codes_of
from loadsim.signing.description import Scheme
from loadsim.signing.fields import Field
from loadsim.signing.mac import derive_key, message_of
from loadsim.signing.message_parts import Delivered, Part
from loadsim.signing.scheme_data import KEY_FORMS

Codes = Callable[[bytes, bytes, bytes], str]
"""(timestamp, id, body) -> the code as it would stand in the header."""


class Suspect(NamedTuple):
    """One deviation: what one side does differently from scheme, secret and URL."""

    does: str
    """The deviation in words, to be used after "the sender" or "the endpoint"."""
    if_sender: str
    """What to do if the sender deviates; may be empty."""
    if_endpoint: str
    """What to do if the endpoint deviates."""
    code: Codes


def suspects(scheme: Scheme, secret: Secret, url: str | None) -> Iterator[Suspect]:
    """All suspects that can use the secret, the more probable first; only an HMAC of the usual form has any."""
    if not scheme.is_usual:
        return
    for found in (*_keys(scheme, secret, url), *_urls(scheme, secret, url), *_formulas(scheme, secret, url)):
        if found is not None:
            yield found


def _suspect(
    does: str, if_endpoint: str, scheme: Scheme, secret: Secret, url: str | None, if_sender: str = ""
) -> Suspect | None:
    try:
        return Suspect(does, if_sender, if_endpoint, codes_of(scheme, secret, url).code)
    except UsageError:
        return None  # the secret is not in the form that this suspect needs


# -- keys -----------------------------------------------------------------------------------------------------------


def _keys(scheme: Scheme, secret: Secret, url: str | None) -> Iterator[Suspect | None]:
    """The secret turned into a key in another way than the scheme does."""
    text = secret.reveal()
    mend = f"take {KEY_FORMS[scheme.key]} as the key"
    for key, words in KEY_FORMS.items():
        if key != scheme.key and not _same_key(scheme, key, secret):
            does = f"takes {words} as the key, but scheme {scheme.name} takes {KEY_FORMS[scheme.key]}"
            yield _suspect(does, mend, dataclasses.replace(scheme, key=key), secret, url)
    verbatim = dataclasses.replace(scheme, key="utf8")
    raw = text.encode("utf-8", "surrogatepass")
    others = {
        "without white space around it": text.strip(),
        "with a line break at its end": text + "\n",
        "with CRLF at its end": text + "\r\n",
        "with a blank at its end": text + " ",
        "without the prefix that ends in _": text.rpartition("_")[2],
        "without its whsec_": text.removeprefix("whsec_"),
        "without the quotes around it": text.strip("\"'"),
        "in quotes": f'"{text}"',
        "base64-encoded": base64.b64encode(raw).decode(),
        "hex-encoded": binascii.hexlify(raw).decode(),
        "in lower case": text.lower(),
        "in upper case": text.upper(),
    }
    seen = {text}
    for words, other in others.items():
        if other and other not in seen:
            seen.add(other)
            yield _suspect(f"takes the secret {words} as the key", mend, verbatim, Secret(other), url)


def _same_key(scheme: Scheme, key: str, secret: Secret) -> bool:
    try:
        other = dataclasses.replace(scheme, key=key)  # type: ignore[arg-type]  # a key of KEY_FORMS
        return derive_key(other, secret) == derive_key(scheme, secret)
    except UsageError:
        return False


# -- URLs -----------------------------------------------------------------------------------------------------------


def _urls(scheme: Scheme, secret: Secret, url: str | None) -> Iterator[Suspect | None]:
    if url is None or not scheme.signs_url:
        return
    for words, form in _url_forms(url).items():
        yield _suspect(
            f"has the URL {words} on file",
            "verify with the URL that the provider has on file, or set public_url to it where it is the endpoint's",
            scheme,
            secret,
            form,
            if_sender="set public_url to the URL that it has",
        )


def _url_forms(url: str) -> dict[str, str]:
    """Other ways to write the URL, by description. Only the form about the host name changes its case."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return {}
    host = parts.netloc.rpartition("@")[2]
    bare = host.removesuffix(f":{port}") if port is not None else host.removesuffix(":")
    other = "http" if parts.scheme == "https" else "https"
    path = parts.path or "/"
    default = {"http": 80, "https": 443}.get(parts.scheme)
    forms = {
        "in its canonical form": parts.geturl(),
        f"with {other}://": parts._replace(scheme=other).geturl(),
        "without the slash at its end": parts._replace(path=path.rstrip("/")).geturl(),
        "with a slash at its end": parts._replace(path=path.rstrip("/") + "/").geturl(),
        "without its query": parts._replace(query="").geturl(),
        "with its host in lower case": parts._replace(netloc=host.lower()).geturl(),
        "without a port": parts._replace(netloc=bare).geturl(),
        "as URL parsers write it": parts._replace(
            netloc=(bare if port == default else host).lower(), path=path
        ).geturl(),
        "as its path alone": path + (f"?{parts.query}" if parts.query else ""),
        f"with {other}:// and without a port": parts._replace(scheme=other, netloc=bare).geturl(),
    }
    if port is None and default is not None:
        forms[f"with the port {default}"] = parts._replace(netloc=f"{bare}:{default}").geturl()
    first: dict[str, str] = {}
    for words, form in forms.items():
        if form not in (url, *first.values()):
            first[words] = form
    return first


# -- formulas -------------------------------------------------------------------------------------------------------


def _formulas(scheme: Scheme, secret: Secret, url: str | None) -> Iterator[Suspect | None]:
    """The scheme with another message, digest, encoding, or use of the key."""
    is_right = f"sign {scheme.signed_text}"
    for described in _messages(scheme):
        if described.signed == (Field.body,):
            does = f"signs the body alone, not {scheme.signed_text}"
        else:
            does = f"signs {described.signed_text}, not {scheme.signed_text}"
        yield _suspect(does, is_right, described, secret, url)
    yield from _written_otherwise(scheme, secret, url)
    for digest in ("sha256", "sha1", "sha512"):
        for encoding in ("hex", "base64", "base64url"):
            if (digest, encoding) != (scheme.digest, scheme.encoding):
                described = dataclasses.replace(scheme, digest=digest, encoding=encoding)
                does = f"makes the {described.formula}, not the {scheme.formula}"
                yield _suspect(does, f"make the {scheme.formula}", described, secret, url)
    yield from _keyed_otherwise(scheme, secret, url)


def _messages(scheme: Scheme) -> Iterator[Scheme]:
    """The scheme's fields with other separators, in reverse order, and the body alone."""
    fields = [part for part in scheme.signed if not isinstance(part, bytes)]
    if len(scheme.signed) < 2:
        return
    seen = {scheme.signed}
    has_literals = any(isinstance(part, bytes) for part in scheme.signed)
    for separator in (b".", b":", b",", b"", b"|", b"\n") if has_literals else ():
        for ordered in (fields, fields[::-1]):
            joined: list[Field | Part | bytes] = []
            for field in ordered:
                joined += [separator, field] if joined and separator else [field]
            if tuple(joined) not in seen:
                seen.add(tuple(joined))
                yield dataclasses.replace(scheme, signed=tuple(joined))
    if (Field.body,) not in seen:
        yield dataclasses.replace(scheme, signed=(Field.body,))


def _written_otherwise(scheme: Scheme, secret: Secret, url: str | None) -> Iterator[Suspect]:
    """The right code in another notation."""
    mend = f"write the code in {scheme.encoding}, as scheme {scheme.name} does"
    code = codes_of(scheme, secret, url).code
    of_hex = codes_of(dataclasses.replace(scheme, encoding="hex"), secret, url).code

    def written(does: str, write: Callable[[str], str], source: Codes = code) -> Suspect:
        return Suspect(does, "", mend, lambda timestamp, event_id, body: write(source(timestamp, event_id, body)))

    yield written(
        "writes the hex digits of the code in base64", lambda text: base64.b64encode(text.encode()).decode(), of_hex
    )
    if scheme.encoding == "hex":
        yield written("writes the code in upper case", str.upper)
        in_base64 = codes_of(dataclasses.replace(scheme, encoding="base64"), secret, url).code
        yield written("writes the code in base64 without padding (=)", lambda text: text.rstrip("="), in_base64)
    elif scheme.encoding == "HEX":
        yield written("writes the code in lower case", str.lower)
    elif scheme.encoding == "base64":
        yield written("leaves the padding (=) of base64 out", lambda text: text.rstrip("="))
    else:
        yield written("writes base64url with padding (=)", lambda text: text + "=" * (-len(text) % 4))


def _keyed_otherwise(scheme: Scheme, secret: Secret, url: str | None) -> Iterator[Suspect]:
    """Key and message combined in another way than by HMAC."""
    key, digest = derive_key(scheme, secret), scheme.digest
    message, write = message_of(scheme, url), WRITERS[scheme.encoding]

    def made(does: str, compute: Callable[[bytes], bytes]) -> Suspect:
        def code(timestamp: bytes, event_id: bytes, body: bytes) -> str:
            return write(compute(message(timestamp, event_id, Delivered(body, None))))

        return Suspect(does, "", f"make the {scheme.formula}, with the secret as the key", code)

    plain = f"makes the plain {digest.upper()} of"
    yield made("takes the message as the key and the key as the message", lambda text: hmac.digest(text, key, digest))
    yield made(f"{plain} key and message, not their HMAC", lambda text: hashlib.new(digest, key + text).digest())
    yield made(f"{plain} message and key, not their HMAC", lambda text: hashlib.new(digest, text + key).digest())
