"""Reads requests whose head is like one that was accepted before: only the values of its fields differ.

Most requests to a receiver come from one program, and have the same fields in the same order. Such a head is recognised
by one regular expression, which costs a quarter of parsing it. A head is recognised only where the parser would read it
in the same way; everything else is left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from loadsim.compiled_step import step
from loadsim.receiver.answer_choice import TRANSFER_CODING, HeaderNames

MOST_HEADS = 4
"""So many heads are known. Only an accepted delivery can add one, so that no stranger can use them up."""
LONGEST_HEAD = 4096
"""Bytes of a head that is learned."""
LENGTH = "content-length"
FRAMING_HEADERS = ("connection", "proxy-connection", LENGTH, "expect", TRANSFER_CODING)
"""The headers that say how a request is read and answered; the parser treats the second like the first."""
_NOT_KNOWN = frozenset({*FRAMING_HEADERS, "upgrade"} - {LENGTH})
"""A head with one of these is left to the parser."""
_VALUE = rb"[!-~]++(?: [!-~]++)*+"
"""Printable ASCII without blanks at its ends. Values with other characters are left to the parser."""
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): (" + _VALUE + rb")")

Known = tuple[str, dict[str, str], bytes, bytes]
"""What is read from a request: target, needed headers by lower-case name, delivery id, body. Its method is POST."""
_Head = tuple[Callable[[bytes], re.Match[bytes] | None], tuple[str, ...], tuple[int, ...], int, str]
"""What matches a request, its needed headers, their groups and that of the body, the group of the delivery id (0: there
is none), the target."""
_Shape = tuple[tuple[bytes, ...], bytes, tuple[str, ...], str]
"""The same for the compiled step: the text before each value and behind the last, what each value is, the keys of the
needed headers ("" for others), the target."""
_SKIPPED, _NEEDED, _LENGTH, _ID = b"-nli"


class KnownHeads:
    """The heads that one worker knows, at most `room`.

    `names` as the engine's, with FRAMING_HEADERS; `max_body`: bytes of a body that are accepted.
    """

    __slots__ = ("_heads", "_learned", "_max_body", "_names", "_room", "read")

    def __init__(self, names: HeaderNames, max_body: int, room: int = MOST_HEADS) -> None:
        self._names = names
        self._max_body = max_body
        self._room = room
        self._heads: list[Any] = []
        """Of the kind that is read."""
        self._learned: Callable[[bytes, list[bytes], str], _Head | _Shape] = self._head if step is None else self._shape
        self.read: Callable[[bytes], Known | None] = (
            self._read if step is None else partial(step.read_head, self._heads, max_body)
        )
        """One whole request with a known head; None when what is given is anything else."""

    def _read(self, data: bytes) -> Known | None:
        """See `read`."""
        for match, keys, groups, apart, target in self._heads:
            found = match(data)
            if found is not None:
                values = found.group(*groups)
                headers = dict(zip(keys, map(bytes.decode, values)))  # noqa: B905 - the body has no key
                body = values[-1]
                if len(body) == int(headers[LENGTH]) <= self._max_body:
                    return target, headers, found[apart] if apart else b"", body
                return None
        return None

    def learn(self, data: bytes, target: bytes) -> None:
        """Know the head of this request from now on. The parser has read all of `data`, and it was accepted."""
        if len(self._heads) >= self._room:
            return
        head = data.partition(b"\r\n\r\n")[0]
        first, *lines = head.split(b"\r\n")
        fields = [_FIELD.fullmatch(line) for line in lines]
        spellings = [field[1] for field in fields if field is not None]
        lower = [spelling.lower().decode() for spelling in spellings]
        if (
            len(head) <= LONGEST_HEAD
            and first == b"POST %b HTTP/1.1" % target
            and target.isascii()
            and len(spellings) == len(lines)
            and len(set(lower)) == len(lower)  # values of repeated fields are joined
            and LENGTH in lower
            and _NOT_KNOWN.isdisjoint(lower)
        ):
            self._heads.append(self._learned(first, spellings, target.decode()))

    def _head(self, first: bytes, spellings: list[bytes], target: str) -> _Head:
        pattern, apart = re.escape(first + b"\r\n"), 0
        needed: dict[str, int] = {}
        for spelling in spellings:
            key, value = self._names[spelling], _VALUE
            if key != "":
                value = b"([0-9]{1,18}+)" if key == LENGTH else b"(%b)" % _VALUE
                group = 1 + len(needed) + bool(apart)
                if key is None:
                    apart = group
                else:
                    needed[key] = group
            pattern += re.escape(spelling) + b": " + value + rb"\r\n"
        body = 1 + len(needed) + bool(apart)
        compiled = re.compile(pattern + rb"\r\n(.*)", re.DOTALL)
        return compiled.match, tuple(needed), (*needed.values(), body), apart, target

    def _shape(self, first: bytes, spellings: list[bytes], target: str) -> _Shape:
        names = [self._names[spelling] for spelling in spellings]
        kinds = {None: _ID, "": _SKIPPED, LENGTH: _LENGTH}
        texts = (
            first + b"\r\n" + spellings[0] + b": ",
            *(b"\r\n" + name + b": " for name in spellings[1:]),
            b"\r\n\r\n",
        )
        return texts, bytes(kinds.get(name, _NEEDED) for name in names), tuple(name or "" for name in names), target
