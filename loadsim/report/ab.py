"""What a comparison by pairs found: for the terminal, and as Markdown.

Decides the words. Refuses to know how the pairs were run and how they were judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.measure.ab import AbResult, GateRow, PairRow, SideRow
from loadsim.report import figures
from loadsim.report.summary import escape, markdown_table

VERDICTS = {"pass": "PASS", "fail": "FAIL", "invalid": "INVALID", "interrupted": "INTERRUPTED"}
MARKS = {"slower": "✗ slower", "faster": "faster", "none": "✓ no regression shown"}
GATES = ("gate", "A", "B", "B / A", "95 % interval", "p", "verdict")
CHECKS = ("gate", "noise of a pair", "false alarms", "found in 9 of 10")


def render_ab_text(result: AbResult) -> str:
    """The report as plain text. Ends in a newline."""
    lines = [f"{VERDICTS[result.ending]}   {result.name}  {headline(result)}", *_words(result)]
    lines += [f"  {reason}" for reason in result.reasons]
    if result.gates:
        lines += ["", "Gates", *columns([GATES, *_gate_rows(result)])]
    if result.checks:
        lines += ["", "What this machine can tell apart", *columns([CHECKS, *_check_rows(result)]), *_meaning(result)]
    if result.pairs:
        lines += ["", "Pairs", *columns([_pair_header(result), *_pair_rows(result)])]
    return "\n".join(map(figures.printable, lines)) + "\n"


def render_ab_summary(result: AbResult) -> str:
    """The same as Markdown. Ends in a newline."""
    blocks = [f"# {VERDICTS[result.ending]}: {escape(result.name)}: {escape(headline(result))}"]
    blocks += [escape(line) for line in _words(result)]
    if result.reasons:
        blocks.append("\n".join(f"- {escape(reason)}" for reason in result.reasons))
    if result.gates:
        blocks += ["## Gates", markdown_table(GATES, _escaped(_gate_rows(result)))]
    if result.checks:
        blocks += ["## What this machine can tell apart", markdown_table(CHECKS, _escaped(_check_rows(result)))]
        blocks += _meaning(result)
    if result.pairs:
        blocks += [
            "## Pairs",
            markdown_table([escape(name) for name in _pair_header(result)], _escaped(_pair_rows(result))),
        ]
    return "\n\n".join(blocks) + "\n"


def headline(result: AbResult) -> str:
    """The answer in a few words."""
    if result.ending == "invalid":
        return "the comparison proves nothing"
    if result.ending == "interrupted":
        return "no answer"
    if result.same:
        return "a false alarm: both sides were the same" if result.ending == "fail" else "no false alarm"
    if result.ending == "fail":
        return "B is worse than A"
    faster = [row.label for row in result.gates if row.outcome == "faster"]
    return f"B is faster: {', '.join(faster)}" if faster else "no regression shown"


def _words(result: AbResult) -> list[str]:
    sides = [f"A {result.a}", "B the same (--aa)" if result.same else f"B {result.b}"]
    warm_up = f"warm-up of {result.warm_up_s:g} s before each run not counted" if result.warm_up_s else "no warm-up"
    made = f"{len(result.pairs)} of {result.pairs_planned} pairs, interleaved in random order"
    return [" · ".join(sides), " · ".join([f"comparison {result.id}", made, warm_up, f"seed {result.seed}"])]


def _gate_rows(result: AbResult) -> list[tuple[str, ...]]:
    return [
        (
            f"{row.label} +{100 * row.effect:g} %",
            figures.milliseconds(row.a_ms),
            figures.milliseconds(row.b_ms),
            f"{row.ratio:.3f}",
            f"{row.interval[0]:.3f}–{row.interval[1]:.3f}",
            _p(row),
            MARKS[row.outcome],
        )
        for row in result.gates
    ]


def _p(row: GateRow) -> str:
    return f"{row.p_adjusted:.3f}"


def _check_rows(result: AbResult) -> list[tuple[str, ...]]:
    return [
        (
            f"{row.label} +{100 * row.effect:g} %",
            f"{100 * check.noise:.1f} %",
            figures.share(check.alarms, 1),
            figures.NOT_KNOWN if check.detectable is None else f"+{100 * check.detectable:.0f} %",
        )
        for row, check in zip(result.gates, result.checks, strict=True)
    ]


def _meaning(result: AbResult) -> Iterator[str]:
    yield (
        f"False alarms: how many of all ways to call the sides of these {len(result.pairs)} pairs A and B would have "
        "failed the gate. Found in 9 of 10: the least slowdown that nearly all of them would have shown."
    )


def _pair_header(result: AbResult) -> list[str]:
    names = [row.label for row in result.gates] or list(_first(result).figures)
    return ["pair", "first", *(f"{name} {side}" for name in names for side in "AB"), "2xx A", "2xx B"]


def _first(result: AbResult) -> SideRow:
    return next(side for pair in result.pairs for side in (pair.a, pair.b) if side is not None)


def _pair_rows(result: AbResult) -> list[tuple[str, ...]]:
    texts = list(_first(result).figures)
    return [(str(pair.number), pair.first.upper(), *_cells(pair, texts)) for pair in result.pairs]


def _cells(pair: PairRow, texts: Sequence[str]) -> Iterator[str]:
    sides = (pair.a, pair.b)
    for text in texts:
        for side in sides:
            yield figures.milliseconds(None if side is None else side.figures[text])
    for side in sides:
        yield figures.share(None if side is None else side.success_rate)


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape(cell) for cell in row] for row in rows]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as columns two spaces apart, the first to the left, figures to the right, the last as it comes."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines
