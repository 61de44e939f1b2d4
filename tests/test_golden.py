"""The command that refreshes golden files shows what it changes."""

from __future__ import annotations

from pathlib import Path

from tests.golden import difference, write


def test_what_changes_is_shown_and_then_kept(tmp_path: Path) -> None:
    for name, text in (("same", "a\n"), ("changed", "a\nb\n"), ("gone", "x\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    now = {"same": "a\n", "changed": "a\nc\n", "new": "n\r\n"}
    shown = list(difference(now, tmp_path))
    assert [line for line in shown if line[0] in "+-" and line[1] not in "+-"] == ["-b\n", "+c\n", "-x\n", "+n\r\n"]
    assert {path.name for path in tmp_path.iterdir()} == {"same", "changed", "gone"}, "nothing is written yet"
    write(now, tmp_path)
    assert {path.name: path.read_bytes().decode() for path in tmp_path.iterdir()} == now
    assert list(difference(now, tmp_path)) == []
