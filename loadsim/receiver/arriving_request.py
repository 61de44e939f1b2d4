"""A request that the bare engine reads with its parser, piece by piece."""

from __future__ import annotations

from loadsim.receiver.answers import Answer

HEAD_LIMIT = 64 * 1024


class ArrivingRequest:
    """A request while it arrives. `refused` is set when its answer is known before its end.

    Defaults are class attributes, because creating a request costs time for each attribute that it sets.
    """

    method = ""
    fields = 0
    head_size = 0
    """Counted only when more than HEAD_LIMIT bytes were read; otherwise it cannot be over the limit."""
    in_head = True
    keep = False
    expects = False
    refused: Answer | None = None
    body = b""
    delivery_id = b""
    """The value of its delivery id header."""
    size = 0
    pieces: list[bytes] | None = None
    """The pieces of a body that arrived in several."""

    def __init__(self, target: bytes = b"") -> None:
        self.target = target
        self.headers: dict[str, str] = {}
        """The headers that are needed."""
