"""What a report says of an endpoint with several addresses, from the shards' frames to the line."""

from __future__ import annotations

from loadsim.measure.assemble import by_address
from loadsim.measure.result_events import AddressRow
from loadsim.report.address_lines import address_lines
from tests.builders import run_result
from tests.report.rendering import render_text


def test_the_rows_of_all_shards_are_one_row_for_each_address() -> None:
    rows = [AddressRow("a:1", 1, 5), AddressRow("b:1", 0, 0, 1), AddressRow("b:1", 2, 7), AddressRow("a:1", 1, 1, 1)]
    assert by_address(rows) == [AddressRow("a:1", 2, 6, 1), AddressRow("b:1", 2, 7, 1)]


def test_each_address_is_a_line_with_what_it_took() -> None:
    rows = [AddressRow("192.0.2.1:80", 1, 5432), AddressRow("[2001:db8::1]:80", 0, 1, 2)]
    lines = [
        "address 192.0.2.1:80: 5,432 answers on 1 connection",
        "address [2001:db8::1]:80: 1 answer on 0 connections, 2 failed attempts to connect",
    ]
    assert address_lines(rows) == lines
    text = render_text(run_result(addresses=rows), width=120)
    assert all(line in text for line in lines)


def test_of_many_addresses_the_busiest_are_named() -> None:
    lines = address_lines([AddressRow(f"192.0.2.{number}:80", 1, number) for number in range(11)])
    assert len(lines) == 9
    assert lines[0].startswith("address 192.0.2.10:80: 10 answers")
    assert lines[-1] == "other addresses (3): 3 answers"


def test_an_endpoint_with_one_address_has_no_line() -> None:
    assert address_lines([]) == []
    assert "address " not in render_text(run_result())
