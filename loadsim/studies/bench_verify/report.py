"""The report on the cost of verification, from the stored result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.extras import install
from loadsim.plan.units import format_size
from loadsim.report import numbers
from loadsim.report.blocks import Cell, Column, Lines, Report, Section, Table, Tone, sections
from loadsim.studies.bench_verify.result import BoundRow, VerifyBench, VerifyRow

VERDICTS: dict[str, tuple[str, Tone]] = {
    "pass": ("PASS", "good"),
    "fail": ("FAIL", "bad"),
    "unsure": ("INVALID", "warn"),
    "interrupted": ("INTERRUPTED", "warn"),
}
OUTCOMES: dict[str, tuple[str, Tone]] = {
    "met": ("✓ met", "good"),
    "missed": ("✗ missed", "bad"),
    "unsure": ("? no verdict", "warn"),
}
_BOUNDS = (
    Column("Bound", words=True, long=True),
    Column("Found"),
    Column("95 % interval"),
    Column("Result", words=True),
)
DELIVERIES = {"listed": "signature header of 8 KB, none right", "largest": "largest body, bad signature"}


def verify_report(result: VerifyBench) -> Report:
    """The whole report."""
    word, tone = VERDICTS[result.ending]
    tables = [Section(f"table-{number}", table.caption, [table]) for number, table in enumerate(_tables(result))]
    return Report(
        outcome=word,
        tone=tone,
        name="cost of verifying one delivery",
        headline=f"{len({row.scheme for row in result.rows})} schemes" if result.rows else "nothing was timed",
        about=_words(result),
        sections=sections(Section("reasons", "Why", [Lines(result.reasons, tone=tone)]), *tables),
        footer=f"loadsim {result.version} · {result.id}",
    )


def _words(result: VerifyBench) -> list[str]:
    where = result.environment
    place = "not pinned to a core" if result.core is None else f"pinned to core {result.core}"
    made = [where.cpu_model, f"{where.cpu_count} cores", f"Python {where.python}", result.openssl]
    lost = numbers.share(result.lost_share, 1)
    taken = f"medians of CPU µs per call; other programs used the core {lost} of the time"
    lines = [
        ", ".join([*made, f"loadsim {result.version}", result.started_at[:10]]),
        f"{result.rounds} interleaved rounds after a warm-up, {place}; {taken}",
    ]
    if result.lacking:
        lines.append(f"{', '.join(result.lacking)}: {install('interop')} measures them too")
    return lines


def _tables(result: VerifyBench) -> Iterator[Table]:
    if result.bounds:
        yield Table("Bounds", _BOUNDS, [_bound_row(row) for row in result.bounds])
    rows = [row for row in result.rows if row.delivery == "good"]
    if rows:
        first = rows[0].scheme
        yield _by_size(f"{first}: µs by body size", [row for row in rows if row.scheme == first])
        yield from _by_scheme(rows)
    others = [row for row in result.rows if row.delivery != "good"]
    if others:
        yield _adversarial(rows, others)
    columns = (Column("Verifier", words=True), Column("Schemes", words=True), Column("Result", words=True, long=True))
    yield Table("Correctness", columns, list(_judged_rows(result)))


def _bound_row(row: BoundRow) -> tuple[Cell | str, ...]:
    interval = numbers.NOT_KNOWN if row.interval is None else f"{row.interval[0]:.2f}–{row.interval[1]:.2f}"
    return row.text, f"{row.found:.2f}", interval, Cell(*OUTCOMES[row.outcome])


def _by_size(title: str, rows: Sequence[VerifyRow]) -> Table:
    sizes = sorted({row.size for row in rows})
    names = list(dict.fromkeys(row.name for row in rows))
    found = {(row.name, row.size): row for row in rows}
    rows_of = [
        (
            f"{name} ({found[name, sizes[0]].kind})",
            *(numbers.significant(found[name, size].us.median) for size in sizes),
            numbers.count(found[name, _shown_size(sizes)].per_second),
            f"{100 * max(found[name, size].us.width for size in sizes):.0f} %",
        )
        for name in names
    ]
    titles = (*(_size(size) for size in sizes), f"per second, {_size(_shown_size(sizes))}", "widest quartiles")
    return Table(title, (Column("", words=True, long=True), *map(Column, titles)), rows_of)


def _by_scheme(rows: Sequence[VerifyRow]) -> Iterator[Table]:
    """Every scheme's verifiers beside hashing alone and MAC alone, at one size."""
    schemes = list(dict.fromkeys(row.scheme for row in rows))
    size = _shown_size(sorted({row.size for row in rows}))
    found: list[tuple[str, ...]] = []
    for scheme in schemes:
        found += [
            (
                f"{scheme}, {row.name}",
                numbers.significant(row.us.median),
                numbers.count(row.per_second),
                _times(row.of_two_state),
                _times(row.of_mac),
            )
            for row in rows
            if row.scheme == scheme and row.size == size and row.kind == "verifier"
        ]
    if found:
        columns = (
            Column("Verifier", True, True),
            *map(Column, ("µs", "per second", "× bare two-state", "× hmac of Python")),
        )
        yield Table(f"Every verifier, body of {_size(size)}", columns, found)


def _adversarial(good: Sequence[VerifyRow], others: Sequence[VerifyRow]) -> Table:
    honest = {(row.scheme, row.name, row.size): row.us.median for row in good}
    found: list[tuple[str, ...]] = [
        (
            f"{row.scheme}, {row.name}: {DELIVERIES[row.delivery]}",
            _size(row.size),
            numbers.significant(row.us.median),
            _times(_over(row.us.median, honest.get((row.scheme, row.name, row.size)))),
        )
        for row in others
    ]
    columns = (Column("", words=True, long=True), *map(Column, ("body", "µs", "× a genuine one")))
    return Table("Hostile deliveries, refused", columns, found)


def _judged_rows(result: VerifyBench) -> Iterator[tuple[Cell | str, ...]]:
    """A row for each verifier without faults, and for each scheme in which a verifier has faults."""
    for name in dict.fromkeys(found.name for found in result.judged):
        several = [found for found in result.judged if found.name == name]
        label = f"{name} {several[0].version}".strip()
        right = [found.scheme for found in several if not found.faults]
        if right:
            yield label, right[0] if len(right) == 1 else f"{len(right)} schemes", Cell("✓ right", "good")
        for found in several:
            if found.faults:
                yield label, found.scheme, Cell(f"✗ {'; '.join(found.faults)}", "bad")


def _shown_size(sizes: Sequence[int]) -> int:
    return 300 if 300 in sizes else sizes[0]


def _size(value: int) -> str:
    return format_size(value)


def _over(value: float, base: float | None) -> float | None:
    return None if not base else value / base


def _times(value: float | None) -> str:
    return numbers.NOT_KNOWN if value is None else f"{value:.2f}"
