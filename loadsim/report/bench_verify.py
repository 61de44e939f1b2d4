"""What verification costs, as a page of text and as Markdown.

Decides the words and which rows stand in which table. Refuses to know how anything was timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.measure.bench_verify import BoundRow, VerifyBench, VerifyRow
from loadsim.plan.units import format_size
from loadsim.report import figures
from loadsim.report.ab import columns
from loadsim.report.summary import escape, markdown_table

VERDICTS = {"pass": "PASS", "fail": "FAIL", "unsure": "INVALID", "interrupted": "INTERRUPTED"}
MARKS = {"met": "✓ met", "missed": "✗ missed", "unsure": "? no verdict"}
DELIVERIES = {"listed": "signature header of 8 KB, none right", "largest": "largest body, bad signature"}
Table = tuple[str, Sequence[str], list[tuple[str, ...]]]


def render_verify_text(result: VerifyBench) -> str:
    """The report as plain text. Ends in a newline."""
    lines = [f"{VERDICTS[result.ending]}   what verifying one delivery costs", *map(figures.printable, _words(result))]
    lines += [f"  {figures.printable(reason)}" for reason in result.reasons]
    for title, header, rows in _tables(result):
        lines += ["", figures.printable(title), *map(figures.printable, columns([header, *rows]))]
    return "\n".join(lines) + "\n"


def render_verify_summary(result: VerifyBench) -> str:
    """The same as Markdown. Ends in a newline."""
    blocks = [f"# {VERDICTS[result.ending]}: what verifying one delivery costs", *map(escape, _words(result))]
    if result.reasons:
        blocks.append("\n".join(f"- {escape(reason)}" for reason in result.reasons))
    for title, header, rows in _tables(result):
        blocks += [f"## {escape(title)}", markdown_table(header, [tuple(map(escape, row)) for row in rows])]
    return "\n\n".join(blocks) + "\n"


def _words(result: VerifyBench) -> list[str]:
    where = result.environment
    place = "not held to one core" if result.core is None else f"held to core {result.core}"
    made = [where.cpu_model, f"{where.cpu_count} cores", f"Python {where.python}", result.openssl]
    lost = figures.share(result.lost_share, 1)
    taken = f"medians of CPU µs per call; something else had the core {lost} of the time"
    lines = [
        ", ".join([*made, f"loadsim {result.version}", result.started_at[:10]]),
        f"{result.rounds} interleaved rounds after a warm-up, {place}; {taken}",
    ]
    if result.lacking:
        lines.append(f"{', '.join(result.lacking)}: pip install 'loadsim[interop]' measures them too")
    return lines


def _tables(result: VerifyBench) -> Iterator[Table]:
    if result.bounds:
        yield "Bounds", ("bound", "found", "95 % interval", ""), [_bound_row(row) for row in result.bounds]
    rows = [row for row in result.rows if row.delivery == "good"]
    if rows:
        first = rows[0].scheme
        yield _by_size(f"{first}: µs by body size", [row for row in rows if row.scheme == first])
        yield from _by_scheme(rows)
    others = [row for row in result.rows if row.delivery != "good"]
    if others:
        yield _adversarial(rows, others)
    yield "Right or wrong", ("verifier", "schemes", ""), list(_judged_rows(result))


def _bound_row(row: BoundRow) -> tuple[str, ...]:
    interval = figures.NOT_KNOWN if row.interval is None else f"{row.interval[0]:.2f}–{row.interval[1]:.2f}"
    return row.text, f"{row.found:.2f}", interval, MARKS[row.outcome]


def _by_size(title: str, rows: Sequence[VerifyRow]) -> Table:
    sizes = sorted({row.size for row in rows})
    names = list(dict.fromkeys(row.name for row in rows))
    found = {(row.name, row.size): row for row in rows}
    table = [
        (
            f"{name} ({found[name, sizes[0]].kind})",
            *(figures.significant(found[name, size].us.median) for size in sizes),
            figures.count(found[name, _shown_size(sizes)].per_second),
            f"{100 * max(found[name, size].us.width for size in sizes):.0f} %",
        )
        for name in names
    ]
    head = ("", *(_size(size) for size in sizes), f"per second, {_size(_shown_size(sizes))}", "widest quartiles")
    return title, head, table


def _by_scheme(rows: Sequence[VerifyRow]) -> Iterator[Table]:
    """Every scheme's verifiers beside its floor and code alone, at one size."""
    schemes = list(dict.fromkeys(row.scheme for row in rows))
    size = _shown_size(sorted({row.size for row in rows}))
    table: list[tuple[str, ...]] = []
    for scheme in schemes:
        table += [
            (
                f"{scheme}, {row.name}",
                figures.significant(row.us.median),
                figures.count(row.per_second),
                _times(row.of_two_state),
                _times(row.of_mac),
            )
            for row in rows
            if row.scheme == scheme and row.size == size and row.kind == "verifier"
        ]
    if table:
        head = ("verifier", "µs", "per second", "× bare two-state", "× hmac of Python")
        yield f"Every verifier, body of {_size(size)}", head, table


def _adversarial(good: Sequence[VerifyRow], others: Sequence[VerifyRow]) -> Table:
    honest = {(row.scheme, row.name, row.size): row.us.median for row in good}
    table: list[tuple[str, ...]] = [
        (
            f"{row.scheme}, {row.name}: {DELIVERIES[row.delivery]}",
            _size(row.size),
            figures.significant(row.us.median),
            _times(_over(row.us.median, honest.get((row.scheme, row.name, row.size)))),
        )
        for row in others
    ]
    return "Hostile deliveries, refused", ("", "body", "µs", "× a genuine one"), table


def _judged_rows(result: VerifyBench) -> Iterator[tuple[str, ...]]:
    """A row for each verifier that is right wherever it was asked, and for each scheme in which one errs."""
    for name in dict.fromkeys(found.name for found in result.judged):
        several = [found for found in result.judged if found.name == name]
        label = f"{name} {several[0].version}".strip()
        right = [found.scheme for found in several if not found.faults]
        if right:
            yield label, right[0] if len(right) == 1 else f"{len(right)} schemes", "✓ right"
        for found in several:
            if found.faults:
                yield label, found.scheme, f"✗ {'; '.join(found.faults)}"


def _shown_size(sizes: Sequence[int]) -> int:
    return 300 if 300 in sizes else sizes[0]


def _size(value: int) -> str:
    return format_size(value)


def _over(value: float, base: float | None) -> float | None:
    return None if not base else value / base


def _times(value: float | None) -> str:
    return figures.NOT_KNOWN if value is None else f"{value:.2f}"
