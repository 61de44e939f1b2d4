from collections.abc import Iterable, Iterator
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
    /,
) -> None: ...
def send_all(made: Iterable[Any], head: bytes, names: dict[int, bytes], /) -> None: ...
def row_of(carrier: Any, event: tuple[int, int, int, int], code: int, done: int, attempt: int = 1) -> bytes: ...
