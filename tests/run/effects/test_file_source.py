"""Effects in a file that the endpoint appends to."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.plan.effects import Effects
from loadsim.run.effects.file_source import FileSource
from loadsim.run.effects.source import MOST_ROWS, GapError


def source_at(path: Path) -> FileSource:
    return FileSource(Effects(source="file", path=str(path)))


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


async def test_only_what_is_written_from_now_on_is_read(tmp_path: Path) -> None:
    path = tmp_path / "effects.ndjson"
    append(path, '{"id": "old"}\n')
    source = source_at(path)
    assert (await source.read()).ids == []
    append(path, '{"id": "a", "at": 2}\n\n{"id": "b", "count": 2}\n{"id": "c')
    reading = await source.read()
    assert reading.ids == [b"a", b"b"]
    assert reading.at_ns.tolist() == [2 * 10**9, 0]
    assert reading.times.tolist() == [1, 2]
    append(path, '"}\n')
    assert (await source.read()).ids == [b"c"], "a line counts when it is whole"
    await source.close()


async def test_a_file_may_be_made_later_replaced_and_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "effects.ndjson"
    source = source_at(path)
    assert (await source.read()).ids == []
    append(path, '{"id": "a"}\n')
    assert (await source.read()).ids == [b"a"]
    path.rename(tmp_path / "effects.1")
    append(tmp_path / "effects.1", '{"id": "b"}\n')
    append(path, '{"id": "c"}\n')
    assert (await source.read()).ids == [b"b"], "the old file first"
    assert (await source.read()).ids == [b"c"]
    path.write_text('{"id": "d"}\n', encoding="utf-8")
    append(path, "")
    path.write_text("", encoding="utf-8")
    assert (await source.read()).ids == []
    append(path, '{"id": "e"}\n')
    assert (await source.read()).ids == [b"e"]
    await source.close()


async def test_many_lines_come_in_several_readings(tmp_path: Path) -> None:
    path = tmp_path / "effects.ndjson"
    source = source_at(path)
    append(path, "".join(f'{{"id": "{number}"}}\n' for number in range(MOST_ROWS + 5)))
    first, second = await source.read(), await source.read()
    assert first.more
    assert not second.more
    assert len(first.ids) + len(second.ids) == MOST_ROWS + 5
    await source.close()


async def test_a_line_that_is_no_effect_is_a_gap_and_the_others_count(tmp_path: Path) -> None:
    path = tmp_path / "effects.ndjson"
    source = source_at(path)
    append(path, "not json\n")
    with pytest.raises(GapError, match="a line is no effect"):
        await source.read()
    append(path, 'not json\n{"id": "a"}\n')
    assert (await source.read()).ids == [b"a"]
    await source.close()


async def test_a_directory_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GapError, match="is a directory"):
        await source_at(tmp_path).read()
