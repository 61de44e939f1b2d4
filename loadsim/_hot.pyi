from collections.abc import Iterable, Iterator, Sequence
from typing import Any

CONTRACT: int

def bind(connection: type, reader: type, memo: type, tls: type, ready: int, /) -> None: ...
def read_all(
    ready: list[tuple[int, int]],
    asks: Iterator[bool],
    table: dict[int, Any],
    memo: Any,
    answers: list[Any],
    size: int,
    looked: int,
    seldom: Any,
    unread: Any,
    unlike: Any,
    internal: Any,
    ahead: Any,
    /,
) -> None: ...
def send_all(made: Iterable[Any], head: bytes, names: dict[int, bytes] | tuple[bytes, bytes], /) -> None: ...
def send_events(
    connections: list[Any], first: int, recipes: dict[int, Any], head: bytes, names: tuple[bytes, bytes], /
) -> int: ...
def settle(
    answers: list[Any],
    rows: list[bytes],
    ready: list[Any],
    policies: list[Any],
    of_user: list[bool],
    turns: Iterator[tuple[int, int]],
    reuse: int,
    idle: dict[Any, None] | None,
    /,
) -> int: ...
def bodies(
    indexes: Sequence[int],
    block: int,
    picks: list[int],
    known: list[Any],
    head: bytes,
    digits: tuple[bytes, ...],
    seconds: dict[int, bytes],
    fraction: bytes,
    ms: bytes,
    /,
) -> list[bytes]: ...
def find_sha256() -> bool: ...
def sha256_state(data: bytes, before: bytes = b"", /) -> bytes: ...
def lines(bodies: list[bytes], inner: bytes, outer: bytes, head: bytes, /) -> list[bytes]: ...
def row_of(carrier: Any, event: tuple[int, int, int, int], code: int, done: int, attempt: int = 1) -> bytes: ...
