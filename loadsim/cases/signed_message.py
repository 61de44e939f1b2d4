"""The message that a scheme signs, read back from a request."""

from __future__ import annotations

from collections.abc import Callable

from loadsim.model import SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.forms import PLAIN_FORMS, Forms
from loadsim.signing.mac import message_of
from loadsim.signing.message_parts import Delivered


def message_of_request(scheme: Scheme, url: str | None, forms: Forms = PLAIN_FORMS) -> Callable[[SignedRequest], bytes]:
    """The function that makes the message. `forms` reads a form-encoded body. A timestamp inside the signature's header
    is left out."""
    compose, timestamp = message_of(scheme, url), scheme.timestamp

    def message(request: SignedRequest) -> bytes:
        headers = {name.lower(): value for name, value in request.header_pairs()}
        time = headers.get(timestamp.name.lower(), "") if timestamp is not None else ""
        event_id = headers.get(scheme.id_headers[0].lower(), "") if scheme.id_headers else ""
        return compose(time.encode(), event_id.encode(), Delivered(request.body, headers, forms))

    return message
