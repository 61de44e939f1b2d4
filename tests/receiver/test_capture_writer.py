"""The files of a capture: whole rows, limited size, nothing deleted unasked, and errors that are said once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from loadsim.model import UsageError
from loadsim.receiver.capture_writer import CaptureFiles, CaptureWriter

LARGE = 10**9


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def files(path: Path, size: int = LARGE, keep: int | None = None) -> CaptureFiles:
    return CaptureFiles(str(path), size, keep, pytest.fail)


def test_a_full_file_stays_and_the_next_has_a_number(tmp_path: Path) -> None:
    written = files(tmp_path / "a.ndjson", size=8)
    written.write(b"1\n22\n333\n4444\n55555555555\n6\n")
    assert content(tmp_path) == {
        "a.ndjson": b"1\n22\n",
        "a.1.ndjson": b"333\n",
        "a.2.ndjson": b"4444\n",
        "a.3.ndjson": b"55555555555\n",
        "a.4.ndjson": b"6\n",
    }
    counts = written.counts()
    assert (counts.rows, counts.lost) == (6, 0)
    assert counts.files == len(content(tmp_path))
    written.close()


def test_a_start_continues_the_last_file_after_a_torn_row(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"1\n")
    (tmp_path / "a.2.ndjson").write_bytes(b"2\n{to")
    (tmp_path / "a.02.ndjson").write_bytes(b"not one of them")
    written = files(tmp_path / "a.ndjson")
    written.write(b"3\n")
    written.close()
    assert (tmp_path / "a.2.ndjson").read_bytes() == b"2\n{to\n3\n"
    assert (tmp_path / "a.ndjson").read_bytes() == b"1\n"
    assert written.counts().last == str(tmp_path / "a.2.ndjson")


def test_old_files_are_deleted_only_where_that_is_asked_for(tmp_path: Path) -> None:
    for name, keep in (("all", None), ("two", 2)):
        written = files(tmp_path / f"{name}.ndjson", 1, keep)
        for number in range(5):
            written.write(b"%d\n" % number)
        written.close()
    assert sorted(path.name for path in tmp_path.glob("two*")) == ["two.3.ndjson", "two.4.ndjson"]
    assert len(list(tmp_path.glob("all*"))) == 5


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    files(tmp_path / "a.ndjson").close()
    assert (tmp_path / "a.ndjson").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/a.ndjson", "no such file or directory"),
        ("a.txt", "must end in .ndjson or .jsonl"),
        ("d.ndjson", "is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "d.ndjson").mkdir()
    with pytest.raises(UsageError) as refused:
        files(tmp_path / name)
    assert message in str(refused.value)
    assert name in str(refused.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_said_once_and_its_rows_are_counted(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "a.ndjson"
    path.symlink_to("/dev/full")
    written = CaptureFiles(str(path), LARGE, None, said.append)
    written.write(b"1\n2\n")
    written.write(b"3\n")
    assert said == [f"deliveries are not captured: cannot write {path}: no space left on device"]
    assert (written.counts().rows, written.counts().lost) == (0, 3)
    written.close()


def test_after_a_failure_it_goes_on_with_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    written = CaptureFiles(str(tmp_path / "a.ndjson"), LARGE, None, said.append)
    real, broken = os.write, [True]

    def half(fd: int, data: bytes) -> int:
        if not broken:
            return real(fd, data)
        if len(data) == 6:
            return real(fd, bytes(data)[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    written.write(b"1\n222\n")
    broken.clear()
    written.write(b"3\n")
    written.close()
    assert (tmp_path / "a.ndjson").read_bytes() == b"3\n"
    assert said[1:] == ["deliveries are captured again; 2 rows could not be written"]


def test_rows_of_several_pipes_are_never_torn_and_keep_the_order_of_each(tmp_path: Path) -> None:
    writer = CaptureWriter(files(tmp_path / "a.ndjson", size=300_000))
    rows = 2_000

    def work(name: bytes) -> None:
        with writer.pipe() as fd:
            for number in range(rows):
                line = memoryview(b"%s %d %s\n" % (name, number, name * (number % 700)))
                for start in range(0, len(line), 100):  # in pieces, as a full pipe takes them
                    os.write(fd, line[start : start + 100])

    threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    paths = [tmp_path / "a.ndjson", *(tmp_path / f"a.{number}.ndjson" for number in range(1, 99))]
    lines = b"".join(path.read_bytes() for path in paths if path.exists()).splitlines()
    for name in (b"a", b"b", b"c"):
        own = [line for line in lines if line.startswith(name)]
        assert own == [b"%s %d %s" % (name, number, name * (number % 700)) for number in range(rows)]
    counts = writer.files.counts()
    assert (counts.rows, counts.lost) == (3 * rows, 0)
    assert counts.files > 1


def test_half_a_row_of_a_killed_worker_is_not_written_but_counted(tmp_path: Path) -> None:
    writer = CaptureWriter(files(tmp_path / "a.ndjson"))
    with writer.pipe() as fd:
        os.write(fd, b"1\n{hal")
    writer.close()
    assert content(tmp_path) == {"a.ndjson": b"1\n"}
    assert (writer.files.counts().rows, writer.files.counts().lost) == (1, 1)
