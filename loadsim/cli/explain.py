"""`loadsim explain`: everything about one event of a stored run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadsim.cli.output import json_option, put, put_json, put_line
from loadsim.cli.stored_results import STORED_RESULT, read_result, result_path
from loadsim.model import UsageError

if TYPE_CHECKING:
    from loadsim.run.explained_event import DeliveryRow, ExplainedEvent


@click.command()
@click.argument("result", metavar="RUN", type=STORED_RESULT)
@click.argument("index", metavar="INDEX", type=click.IntRange(0, 2**48 - 1))
@click.option(
    "--attempt",
    type=click.IntRange(1, 2**16 - 1),
    default=1,
    metavar="N",
    help="Make the N-th delivery of a retried event (default 1).",
)
@click.option("--curl", is_flag=True, help="Print the request as a curl command, and nothing else.")
@json_option("loadsim.event/1", instead_of="the text")
def command(result: Path, index: int, *, attempt: int, curl: bool, as_json: bool) -> None:
    """Show everything about one event of a run, made again from the seed.

    RUN is the directory of a result, its result.json, the id of a run in reports/, or latest. INDEX is the number of
    the event: reports name the slowest and the first failing ones, and X-Loadsim-Id is RUN/INDEX/ATTEMPT. The request
    is signed where the secret is set as it was for the run. How the event ended is shown where the run was made with
    --raw or --outcomes.

    \b
    Examples:
      loadsim explain latest 1234
      loadsim explain reports/20260504-091000-steady-3f2a 1234 --curl
      loadsim explain latest 1234 --attempt 2
      loadsim explain latest 1234 --json | jq -r .request.body
    """
    from loadsim.run.explained_event import explain

    stored = read_result(result)
    event, target = explain(stored, result_path(result).parent, index, attempt)
    if curl and as_json:
        raise UsageError("--curl and --json: choose one of them")
    if as_json:
        put_json(event)
    elif curl:
        from loadsim.run.curl_command import curl_command

        put(curl_command(event.request, target).encode())
    else:
        for line in _lines(event):
            put_line(line)


def _lines(event: ExplainedEvent) -> Iterator[str]:
    from loadsim.report import numbers

    def fact(name: str, text: str) -> str:
        return f"{name:<10} {text}"

    yield f"Event {event.index:,} of run {event.run}"
    yield ""
    planned = "by no plan: in a closed phase an event is due when its connection is free"
    if event.due_s is not None:
        planned = f"{numbers.milliseconds(1000 * event.due_s)} after the start, {event.due_at}"
    yield fact("due", planned)
    counts = {True: "", False: " (not recorded)", None: ""}[event.recorded]
    yield fact("phase", "not known" if event.phase is None else f"{event.phase}{counts}")
    yield fact("type", event.type)
    yield fact("case", f"{event.case}; to be {'accepted: 2xx' if event.expect == 'accept' else 'refused: 4xx'}")
    if event.shard is not None:
        yield fact("sent by", f"generator process {event.shard} on {event.host}")
    if event.trace is not None:
        yield fact("trace", event.trace.trace_id + ("" if event.trace.sampled else " (not sampled)"))
        yield fact("span", event.trace.span_id)
        if event.trace.link is not None:
            yield fact("", event.trace.link)
    if event.ending is not None:
        yield fact("ended", f"{event.ending}; {numbers.deliveries(event.times_sent or 0)} (stored outcomes)")
    if event.deliveries:
        yield from ("", "Deliveries")
        for row in event.deliveries:
            yield from _delivery(row)
        if len({row.attempt for row in event.deliveries} | {event.attempt}) > 1:
            yield f"(below is attempt {event.attempt}; --attempt N shows another)"
    request = event.request
    yield from ("", f"POST {request.url or '(the embedded receiver)'}")
    for name, value in request.headers:
        yield f"{name}: {value}"
    yield ""
    yield f"({request.body_bytes:,} bytes that are not text: see --json)" if request.body_base64 else request.body
    if event.notes:
        yield from ("", "Not certain")
        yield from (f"- {note}" for note in event.notes)


def _delivery(row: DeliveryRow) -> Iterator[str]:
    from loadsim.report import numbers

    name = f"attempt {row.attempt}" if row.copy <= 1 else f"copy {row.copy}"
    times = f"response {numbers.milliseconds(row.response_ms)}"
    if row.service_ms is not None:
        first = "" if row.first_byte_ms is None else f", first byte {numbers.milliseconds(row.first_byte_ms)}"
        times += f", service {numbers.milliseconds(row.service_ms)}{first}"
    sent = "not sent" if row.sent_at is None else f"sent {row.sent_at}"
    sizes = f"{row.bytes_out:,} B out, {row.bytes_in:,} B in"
    yield f"{name:<10} {numbers.outcome_name(row.kind)}; {sent}; {times}; {sizes}"
    if row.attempt > 1 and row.trace is not None:
        yield f"{'':<10} trace {row.trace.trace_id}"
