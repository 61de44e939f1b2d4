"""The report on the cost of a verified event in receivers, from the stored result."""

from __future__ import annotations

from loadsim.report import numbers, run_charts
from loadsim.report.blocks import Cell, Chart, Column, Lines, Report, Section, Table, Tone, sections
from loadsim.report.chart_sections import point_table
from loadsim.studies.bench_receiver.result import PaceRow, PartRow, ReceiverBench, ReceiverRow

VERDICTS: dict[str, tuple[str, Tone]] = {
    "pass": ("MEASURED", "good"),
    "fail": ("FAIL", "bad"),
    "unsure": ("INVALID", "warn"),
    "interrupted": ("INTERRUPTED", "warn"),
}
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")
_RECEIVER = Column("Receiver", words=True, long=True)
_SPEED = (_RECEIVER, *map(Column, ("Events/s", "CPU µs per event", "Quartiles", "Of its core")))
_PARTS = (Column("CPU µs per event", words=True, long=True), Column("Median"), Column("95 % interval"))
_PACES = (_RECEIVER, *map(Column, ("Load", "CPU µs", *PERCENTILES)))


def receiver_report(result: ReceiverBench) -> Report:
    """The whole report."""
    word, tone = VERDICTS[result.ending]
    paces = [_pace_row(row, pace) for row in result.rows for pace in row.paces]
    tables = [
        ("speed", Table("At full speed", _SPEED, [_speed_row(row) for row in result.rows])),
        ("parts", Table("CPU time by part, by subtraction", _PARTS, [_part_row(row) for row in result.parts])),
        ("paces", Table("Response time by load", _PACES, paces)),
    ]
    return Report(
        outcome=word,
        tone=tone,
        name="cost of a verified event in a receiver",
        headline=f"scheme {result.scheme}",
        about=_words(result),
        sections=sections(
            Section("reasons", "Why", [Lines(result.reasons, tone=tone)]),
            *(Section(anchor, table.caption, [table]) for anchor, table in tables),
            _chart(result),
            Section("how", "How it was measured", [Lines(_notes(result), bullets=False)]),
        ),
        footer=f"loadsim {result.version} · {result.id}",
    )


def _chart(result: ReceiverBench) -> Section | None:
    found = [(row.name, row.cpu_us.median) for row in result.rows if row.cpu_us is not None]
    if not found:
        return None
    figure = run_charts.bars_figure([name for name, _ in found], [us for _, us in found], "CPU µs per event")
    points = [(name, numbers.significant(us)) for name, us in found]
    table = point_table("CPU time per event", ("Receiver", "CPU µs per event"), points)
    words = "CPU time of the receiver per event, by receiver."
    return Section("cpu", "CPU time per event", [Chart("cpu", figure, words, table)])


def _words(result: ReceiverBench) -> list[str]:
    where = result.environment
    made = [where.cpu_model, f"{where.cpu_count} cores", f"Python {where.python}", f"loadsim {result.version}"]
    place = "receivers and generator share all cores"
    if result.cores is not None:
        place = f"receivers on core {result.cores[0]}, generator on core {result.cores[1]}"
    return [
        ", ".join([*made, result.started_at[:10]]),
        f"scheme {result.scheme}; {result.rounds} interleaved rounds, {result.connections} connections; {place}",
    ]


def _speed_row(row: ReceiverRow) -> tuple[Cell | str, ...]:
    if row.events_per_s is None or row.cpu_us is None:
        return row.name, Cell("✗ errs", "bad") if row.faults else "not measured", "", "", ""
    least = "≥ " if row.at_least else ""
    return (
        row.name,
        f"{least}{numbers.count(row.events_per_s.median)}",
        numbers.significant(row.cpu_us.median),
        f"{numbers.significant(row.cpu_us.q1)}–{numbers.significant(row.cpu_us.q3)}",
        numbers.share(row.core_share, 0),
    )


def _part_row(row: PartRow) -> tuple[str, ...]:
    interval = numbers.NOT_KNOWN
    if row.interval is not None:
        interval = f"{_signed(row.interval[0])} to {_signed(row.interval[1])}"
    return row.name, _signed(row.us), interval


def _signed(value: float) -> str:
    return f"−{numbers.significant(-value)}" if value < 0 else numbers.significant(value)


def _pace_row(row: ReceiverRow, pace: PaceRow) -> tuple[str, ...]:
    load = numbers.per_second(pace.rate)
    if pace.why:
        why = "INVALID" if pace.why.startswith("INVALID") else "left out"
        return row.name, load, why, *[""] * len(PERCENTILES)
    us = numbers.NOT_KNOWN if pace.cpu_us is None else numbers.significant(pace.cpu_us)
    found = (pace.p50_ms, pace.p90_ms, pace.p99_ms, pace.p99_9_ms, pace.max_ms)
    return row.name, load, us, *map(numbers.milliseconds, found)


def _notes(result: ReceiverBench) -> list[str]:
    asked = "A receiver that verifies was first checked with tampered, forged, unsigned and stale events."
    notes = [f"CPU time is that of the receiver's one process, user and system, per event answered. {asked}"]
    if any(row.at_least for row in result.rows):
        notes.append(
            "≥: the generator was at its limit and the receiver was not; its capacity follows from its CPU time."
        )
    if any(pace.why and not pace.why.startswith("INVALID") for row in result.rows for pace in row.paces):
        notes.append("Left out: rates so close to the receiver's limit that events would queue.")
    return notes
