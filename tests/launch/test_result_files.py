"""How files are written: whole or not at all, and through whatever is no regular file."""

from __future__ import annotations

import errno
import os
import pty
import stat
import threading
import tty
from pathlib import Path

import pytest

from loadsim.launch.result_files import check_writable, write_whole
from loadsim.model import LoadsimError

DATA = b'{"schema": 1}\n' * 3


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_whole(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    with path.open("rb") as before:
        write_whole(path, DATA)
        assert before.read() == b"old", "whoever reads it has the whole of what was there"
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_and_stays_one(tmp_path: Path, *, there: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real.json", tmp_path / "link.json"
    link.symlink_to("elsewhere/real.json")
    if there:
        target.write_bytes(b"old")
    check_writable(link)
    write_whole(link, DATA)
    assert link.is_symlink()
    assert target.read_bytes() == DATA


def test_a_fifo_gets_the_bytes_and_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reading.start()
    check_writable(path)
    write_whole(path, DATA)
    reading.join(30)
    assert got == [DATA]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_gets_the_bytes_and_stays_one(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        link = tmp_path / "device"
        link.symlink_to(os.ttyname(theirs))
        check_writable(link)
        write_whole(link, DATA)
        assert os.read(ours, 100) == DATA
        assert stat.S_ISCHR(link.stat().st_mode)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_descriptor_gets_the_bytes(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        path = Path(f"/dev/fd/{writing}")
        check_writable(path)
        write_whole(path, DATA)
        assert os.read(reading, 100) == DATA
    finally:
        os.close(reading)
        os.close(writing)
    with (tmp_path / "open").open("w+b") as file:
        link = tmp_path / "link"
        link.symlink_to(f"/dev/fd/{file.fileno()}")
        write_whole(link, DATA)
        assert file.read() == DATA, "the file that is open, and no other one in its place"


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EACCES, errno.EPERM])
def test_a_file_that_nothing_can_take_the_place_of_is_written_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As one that is mounted into a container."""

    def mounted(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "mounted.json"
    path.write_bytes(b"old and longer than the new" * 9)
    monkeypatch.setattr(os, "replace", mounted)
    write_whole(path, DATA)
    assert path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [path]
    path.unlink()
    with pytest.raises(LoadsimError, match="cannot be written"):
        write_whole(path, DATA)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "directory"),
        ("not/there.json", "No such file"),
        ("file/below.json", "Not a directory"),
        ("loop", "cannot be written"),
        (300 * "a", "too long"),
        ("nul\0", "no file can have such a name"),
    ],
)
def test_what_cannot_be_written_is_one_line_before_and_after(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    for write in (check_writable, lambda path: write_whole(path, DATA)):
        with pytest.raises(LoadsimError, match=says) as raised:
            write(tmp_path / name)
        assert "\n" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]
