from __future__ import annotations

import json

import msgspec
import pytest

from loadsim.measure.result import SCHEMA, dump_result, load_result
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.model import UsageError
from tests.measure.rows import MS, answered
from tests.measure.runs import STEADY_A, built

RESULT = built([answered(i * 20 * MS, MS + i, stratum=STEADY_A) for i in range(400)])
STORED = dump_result(RESULT)
GROUPS = ("by_event", "by_case", "by_case_part", "by_phase")


def test_what_is_written_is_read() -> None:
    assert load_result(STORED, "result.json") == RESULT
    assert STORED.startswith(b'{\n  "schema": "loadsim.result/2"')
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
        (b'{"schema": "loadsim.result/3"}', "newer loadsim"),
        (b'{"schema": "loadsim.result/10"}', "newer loadsim"),
        (b'{"schema": "loadsim.result/0"}', "its schema is 'loadsim.result/0', not loadsim.result/2"),
        (b'{"schema": "other/1"}', "its schema is 'other/1'"),
        (b'{"schema": "loadsim.result/2"}', "missing required field `run`"),
        (b'{"schema": "loadsim.result/1"}', "not a valid loadsim.result/1: Object missing required field `run`"),
        (b'{"schema": "loadsim.result/1", "totals": 1, "by_case": {"a": 1}}', "not a valid loadsim.result/1"),
        (STORED.replace(b'"planned": 400', b'"planned": "many"', 1), "$.totals.planned"),
    ],
)
def test_what_is_not_a_result_is_named_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_result(data, "old/result.json")
    assert str(caught.value).startswith("old/result.json: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_result_of_the_first_schema_is_read() -> None:
    totals = msgspec.structs.replace(RESULT.totals, after_end={"200": 3})
    groups = {name: msgspec.structs.replace(group, after_end={"503": 1}) for name, group in RESULT.by_phase.items()}
    limits = GeneratorLimits("2026-05-04T09:10:00Z", 80_000.0, 0.9, 0.06, 0.12, [])
    result = msgspec.structs.replace(RESULT, totals=totals, by_phase=groups, generator_limits=limits)
    document = json.loads(dump_result(result))
    document |= {"schema": "loadsim.result/1", "floor": document.pop("generator_limits")}
    for group in (document["totals"], *(group for key in GROUPS for group in document[key].values())):
        group["late"] = group.pop("after_end")
    assert load_result(json.dumps(document).encode(), "result.json") == result


def test_the_schema_in_the_file_is_ours() -> None:
    assert RESULT.schema == SCHEMA
