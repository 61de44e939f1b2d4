from __future__ import annotations

import pytest

from loadsim.measure.result import SCHEMA, dump_result, load_result
from loadsim.model import UsageError
from tests.measure.rows import MS, answered
from tests.measure.test_assemble import STEADY_A, built

RESULT = built([answered(i * 20 * MS, MS + i, stratum=STEADY_A) for i in range(400)])
STORED = dump_result(RESULT)


def test_what_is_written_is_read() -> None:
    assert load_result(STORED, "result.json") == RESULT
    assert STORED.startswith(b'{\n  "schema": "loadsim.result/1"')
    assert STORED.endswith(b"}\n")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a whole JSON file"),
        (STORED[: len(STORED) // 2], "not a whole JSON file"),
        (b"PK\x03\x04 not json", "not a whole JSON file"),
        (b"\xff\xfe", "not a whole JSON file"),
        (b"[]", "not a loadsim result"),
        (b'{"metrics": {}}', "not a loadsim result"),
        (b'{"schema": 1}', "not a loadsim result"),
        (b'{"schema": "loadsim.result/2"}', "newer loadsim"),
        (b'{"schema": "other/1"}', "its schema is 'other/1'"),
        (b'{"schema": "loadsim.result/1"}', "missing required field `run`"),
        (STORED.replace(b'"planned": 400', b'"planned": "many"', 1), "$.totals.planned"),
    ],
)
def test_what_is_not_a_result_is_named_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_result(data, "old/result.json")
    assert str(caught.value).startswith("old/result.json: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_schema_in_the_file_is_ours() -> None:
    assert RESULT.schema == SCHEMA
