"""Requests with all their header fields, for a receiver that captures or forwards deliveries.

Other receivers keep only the headers that the signature needs.
"""

from __future__ import annotations

from collections.abc import Iterable

from loadsim.receiver.answer_choice import HeaderNames

Field = tuple[bytes, bytes]


def text_of(value: bytes) -> str:
    """The value of a header as it is sent again, in UTF-8; what is not UTF-8 is read as Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class KeptFields(dict[str, str]):
    """The headers that are needed, by lower-case name, and `fields`: all of them as they came."""

    __slots__ = ("fields",)

    def __init__(self, fields: list[Field]) -> None:
        super().__init__()
        self.fields = fields


class KeepingHeaderNames(HeaderNames):
    """Also keeps the fields that are not needed."""

    def pick(self, fields: Iterable[Field]) -> tuple[dict[str, str], bytes]:
        """As in HeaderNames, with KeptFields."""
        kept = KeptFields(list(fields))
        found, apart = super().pick(kept.fields)
        kept.update(found)
        return kept, apart
