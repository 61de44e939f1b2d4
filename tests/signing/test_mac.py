"""The code is HMAC over the signed parts one after the other, however they are ordered and whatever came before."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret
from loadsim.signing.description import Scheme
from loadsim.signing.fields import Field
from loadsim.signing.mac import MessageMac
from loadsim.signing.scheme_data import Digest, Encoding, SignatureHeader

URL = "https://example.test/hooks"
PARTS = st.sampled_from([Field.timestamp, Field.id, Field.method, Field.url, Field.body]) | st.binary(max_size=4)
DELIVERIES = st.lists(
    st.tuples(st.sampled_from([b"1", b"22", b"333"]), st.binary(max_size=8), st.binary(max_size=100)), max_size=5
)
ENCODED: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda code: base64.b64encode(code).decode(),
    "base64url": lambda code: base64.urlsafe_b64encode(code).rstrip(b"=").decode(),
}


@given(
    st.lists(PARTS, min_size=1, max_size=6),
    DELIVERIES,
    st.text(min_size=1, max_size=200),
    st.sampled_from(["sha1", "sha256", "sha512"]),
    st.sampled_from(["hex", "base64", "base64url"]),
)
def test_any_order_of_parts(
    signed: list[Field | bytes],
    deliveries: list[tuple[bytes, bytes, bytes]],
    key: str,
    digest: Digest,
    encoding: Encoding,
) -> None:
    scheme = Scheme("any", "Any", SignatureHeader("X"), tuple(signed), "X", digest=digest, encoding=encoding)
    mac = MessageMac(scheme, Secret(key), URL)
    for timestamp, event_id, body in deliveries:
        fields = {Field.timestamp: timestamp, Field.id: event_id, Field.body: body, Field.method: b"POST"}
        fields[Field.url] = URL.encode()
        message = b"".join(part if isinstance(part, bytes) else fields[part] for part in signed)
        code = hmac.digest(key.encode("utf-8", "surrogatepass"), message, digest)
        assert mac.code(timestamp, event_id, body) == ENCODED[encoding](code)
