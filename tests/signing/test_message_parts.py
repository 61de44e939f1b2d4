"""Every part and filter of a message is made from a delivery and read back from it, and what is not there is said."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, UsageError
from loadsim.signing import CUSTOM, Rejection, scheme
from loadsim.signing.message_parts import Delivered, PartError

from .support import NOW_S, delivery

SECRET = Secret("a secret")
URL = "https://shop.test/hooks/in?data.id=77&a=b%20c"
BODY = json.dumps(
    {"id": "é-1", "n": 1130, "f": 10.50, "big": 2**70, "t": True, "no": None, "items": [{"deep": "x"}]}
).encode()


def table(signed: str, **keys: Any) -> dict[str, Any]:
    return {"headers": ["X-Kind: {event}", "X-Id: {id}", "X-Sig: {signature}"], "signed": signed, **keys}


def headers_of(signed: str, body: bytes = BODY, content_type: str = "application/json") -> dict[str, str]:
    signer = scheme(CUSTOM, table(signed)).signer(SECRET, url=URL, event="a.b", content_type=content_type)
    return {**delivery(signer, body), "content-type": content_type}


def code(message: bytes) -> str:
    return hmac.digest(b"a secret", message, "sha256").hex()


SHA = hashlib.sha256(BODY).digest()
MESSAGES = [
    ("{body}|{path}", BODY + b"|/hooks/in"),
    ("{query:data.id};{query:a};{body}", b"77;b c;" + BODY),
    ("{header:X-Kind}.{header:x-id}.{header:Content-Type}.{body}", b"a.b.msg_1.application/json." + BODY),
    ("{json:id}{json:items.0.deep}", "é-1x".encode()),
    ("{json:n}:{json:f}:{json:big}:{json:t}:{json:no}:", b"1130:10.5:1180591620717411303424:true::"),
    ("{body|sha256}", SHA),
    ("{body|sha256|hex}", SHA.hex().encode()),
    ("{body|sha256|base64}", base64.b64encode(SHA)),
    ("{body|crc32}", b"%d" % zlib.crc32(BODY)),
    ("{url|lower}{json:id|hex}", URL.lower().encode() + "é-1".encode().hex().encode()),
    ("{method|lower} {id|base64} {json:n|crc32}", b"post bXNnXzE= %d" % zlib.crc32(b"1130")),
]


@pytest.mark.parametrize(("signed", "message"), MESSAGES)
def test_each_part_is_signed_and_verified(signed: str, message: bytes) -> None:
    headers = headers_of(signed)
    assert headers["x-sig"] == code(message)
    verifier = scheme(CUSTOM, table(signed)).verifier(SECRET, url=URL)
    assert verifier.verify(headers, BODY, NOW_S) is None
    tampered = BODY.replace(b"1130", b"1131").replace(b"-1", b"-2").replace(b'"x"', b'"y"')
    assert verifier.verify(headers, tampered, NOW_S) is Rejection.wrong_signature
    named = {name for name in ("x-kind", "x-id") if f"{{header:{name}}}" in signed.lower()}
    assert named <= set(verifier.header_names)
    for name in named:
        assert verifier.verify({**headers, name: "other"}, BODY, NOW_S) is Rejection.wrong_signature
        assert verifier.verify({**headers, name: "x" * 5_000}, BODY, NOW_S) is Rejection.wrong_signature
    for body in (b"", b"[]", b"\xff", b"[" * 100_000, b'{"id":{}}', b"1"):
        assert verifier.verify(headers, body, NOW_S) is Rejection.wrong_signature


FIELDS = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), min_size=1, max_size=5)


@given(FIELDS)
def test_a_form_is_signed_by_its_decoded_fields_in_order(fields: list[tuple[str, str]]) -> None:
    clean = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in fields
    ]
    body = urlencode(clean).encode()
    headers = headers_of("{url}{form-sorted}", body, "application/x-www-form-urlencoded")
    joined = "".join(name + value for name, value in sorted(set(clean)))
    assert headers["x-sig"] == code((URL + joined).encode())
    verifier = scheme(CUSTOM, table("{url}{form-sorted}")).verifier(SECRET, url=URL)
    assert verifier.verify(headers, body, NOW_S) is None
    assert verifier.verify(headers, urlencode(clean[::-1]).encode(), NOW_S) is None, "their order does not matter"
    assert verifier.verify(headers, body + b"&one=more", NOW_S) is Rejection.wrong_signature
    one = scheme(CUSTOM, table("{form:a b}")).verifier(SECRET)
    assert one.verify(headers_of("{form:a b}", b"x=1&a+b=%C3%A9"), b"a%20b=%c3%a9", NOW_S) is None


def test_a_number_is_signed_as_it_is_written() -> None:
    for text in ("10.00", "1E5", "0.10", "-0.0", "12345678901234567890.5"):
        assert Delivered(b'{"a":%s}' % text.encode(), None).json("a") == text.encode()


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("a", b"{", "the body is not JSON"),
        ("a.b", b'{"a":1}', "the body has no field a.b"),
        ("a.1", b'{"a":[0]}', "the body has no field a.1"),
        ("a.x", b'{"a":[0]}', "the body has no field a.x"),
        ("a", b'{"a":{}}', "not a single value"),
    ],
)
def test_a_part_that_a_body_lacks_is_named(path: str, body: bytes, message: str) -> None:
    with pytest.raises(PartError, match=message):
        Delivered(body, None).json(path)
    with pytest.raises(UsageError, match=f"scheme custom cannot sign this event: .*{message}"):
        headers_of(f"{{json:{path}}}", body)


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        ("{json}{body}", "signed: {json} is written {json:NAME}"),
        ("{body:x}", "signed: {body:x} is written {body}"),
        ("{body|sha265}", 'signed: {body|sha265}: unknown filter sha265; did you mean "sha256"?'),
        ("{jsn:a}{body}", "signed: unknown field {jsn:a}"),
        ("{header:X-Nothing}{body}", "signed: holds {header:x-nothing}, but headers has no line for it"),
        ("{id}", "signed: does not hold {body}: a signature that does not cover the body is useless"),
    ],
)
def test_a_part_that_is_none_is_refused_by_its_key(signed: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        scheme(CUSTOM, table(signed))
    assert message in str(refused.value)


def test_a_url_that_lacks_a_part_is_refused() -> None:
    with pytest.raises(UsageError, match=r"signs \{query:id\}, which the URL lacks: add id=… to its query"):
        scheme(CUSTOM, table("{query:id}{body}")).verifier(SECRET, url=URL)
    with pytest.raises(UsageError, match=r"signs \{path\}: give the URL that the sender uses"):
        scheme(CUSTOM, table("{path}{body}")).signer(SECRET)
