"""What a report says of the connections over HTTP/2."""

from __future__ import annotations

import msgspec

from loadsim.measure.result_events import MOST_CONNECTIONS, ConnectionRow
from loadsim.report.blocks import Section, Table
from loadsim.report.connections_section import connections_section
from tests.builders import run_result


def shares(section: Section) -> list[object]:
    (table,) = section.blocks
    assert isinstance(table, Table)
    return [row[3] for row in table.rows]


def test_shares_are_of_all_events_where_a_result_names_the_busiest_connections_only() -> None:
    result = run_result(connections=[ConnectionRow("192.0.2.1:443", 8, 10)] * MOST_CONNECTIONS)
    shard = msgspec.structs.replace(result.shards[0], completed=20_000, connections_opened=2_000)
    section = connections_section(msgspec.structs.replace(result, shards=[shard]))
    assert section.note == "in flight: the most at once; the 10 busiest of 2,000"
    assert shares(section) == ["0.05 %"] * 10


def test_the_connections_of_a_small_run() -> None:
    rows = [ConnectionRow("192.0.2.1:443", 8, 30), ConnectionRow("192.0.2.1:443", 8, 10)]
    section = connections_section(run_result(connections=rows, shards=[]))
    assert section.note == "in flight: the most at once"
    assert shares(section) == ["75 %", "25 %"]
