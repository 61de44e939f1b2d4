"""Files that a user names; and the one line that each failure ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.input_files import read_bytes_file, read_text_file
from loadsim.model import LARGEST_CAPTURE, UsageError


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


def test_a_limit_is_said_in_the_unit_in_which_it_is_a_whole_number(tmp_path: Path) -> None:
    path = tmp_path / "large.ndjson"
    with path.open("wb") as file:
        file.truncate(LARGEST_CAPTURE + 1)
    with pytest.raises(UsageError, match=r"larger than 64 MB$"):
        read_bytes_file(path, LARGEST_CAPTURE)
    with pytest.raises(UsageError, match=r"larger than 16 MiB$"):
        read_text_file(path)
