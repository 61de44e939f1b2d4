"""A file that is no result, given to a command that reads one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.model import LoadsimError
from tests.cli.running import judge, report


@pytest.mark.parametrize("invoke", [report, judge])
@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot read"), (b"", "not a whole JSON"), (b'{"a": 1}', "not a loadsim result"), (b"\xff\xfe", "")],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, invoke: object, content: bytes | None, says: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_bytes(content)
    done = invoke(path)  # type: ignore[operator]
    assert isinstance(done.exception, LoadsimError)
    assert done.exception.exit_code == 2
    assert str(path) in str(done.exception)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)
