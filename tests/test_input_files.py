"""Files that a user names; and the one line that each failure ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.input_files import read_bytes_file, read_text_file
from loadsim.model import UsageError


def test_an_unreadable_file_is_one_line_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    for path, reason in (
        (tmp_path / "absent.toml", "no such file or directory"),
        (tmp_path, "is a directory"),
        (tmp_path / "latin", r"not UTF-8 text \(byte 3\)"),
        (Path("a\0b"), "no file can have such a name"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            read_text_file(path)
        assert "\n" not in str(caught.value)
    assert read_bytes_file(tmp_path / "latin") == b"caf\xe9"
