"""The report of a comparison by pairs, from its stored result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.report import numbers
from loadsim.report.blocks import Cell, Column, Lines, Report, Section, Table, Tone, sections
from loadsim.studies.ab.result import AbResult, GateRow, PairRow, SideRow

VERDICTS: dict[str, tuple[str, Tone]] = {
    "pass": ("PASS", "good"),
    "fail": ("FAIL", "bad"),
    "invalid": ("INVALID", "warn"),
    "interrupted": ("INTERRUPTED", "warn"),
}
OUTCOMES: dict[str, tuple[str, Tone]] = {
    "slower": ("✗ slower", "bad"),
    "faster": ("faster", "good"),
    "none": ("✓ no regression shown", "good"),
}
GATES = (
    Column("Gate", words=True),
    *map(Column, ("A", "B", "B / A", "95 % interval", "p")),
    Column("Verdict", words=True),
)
CHECKS = (Column("Gate", words=True), *map(Column, ("Noise of a pair", "False alarms", "Found in 9 of 10")))


def ab_report(result: AbResult) -> Report:
    """The whole report."""
    word, tone = VERDICTS[result.ending]
    checks = Table("What this machine can distinguish", CHECKS, _check_rows(result))
    return Report(
        outcome=word,
        tone=tone,
        name=result.name,
        headline=headline(result),
        about=_words(result),
        sections=sections(
            Section("reasons", "Why", [Lines(result.reasons, tone=tone)]),
            Section("gates", "Gates", [Table("Gates", GATES, _gate_rows(result))]),
            Section("checks", checks.caption, [checks, Lines(_meaning(result), "dim", bullets=False)]),
            Section("pairs", "Pairs", [_pairs(result)]),
        ),
        footer=f"loadsim {result.version} · comparison {result.id}",
    )


def headline(result: AbResult) -> str:
    """The outcome in a few words."""
    if result.ending == "invalid":
        return "invalid measurement"
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
    again = len(result.repeated)
    if again:
        made += f", {again} pair{'s' * (again != 1)} run again because the generator was disturbed"
    return [
        " · ".join(sides),
        " · ".join([f"started {result.started_at}", f"comparison {result.id}", made, warm_up, f"seed {result.seed}"]),
    ]


def _gate_rows(result: AbResult) -> list[tuple[Cell | str, ...]]:
    return [
        (
            f"{row.label} +{100 * row.effect:g} %",
            numbers.milliseconds(row.a_ms),
            numbers.milliseconds(row.b_ms),
            f"{row.ratio:.3f}",
            f"{row.interval[0]:.3f}–{row.interval[1]:.3f}",
            _p(row),
            Cell(*OUTCOMES[row.outcome]),
        )
        for row in result.gates
    ]


def _p(row: GateRow) -> str:
    return f"{row.p_adjusted:.3f}"


def _check_rows(result: AbResult) -> list[tuple[str, ...]]:
    if not result.checks:
        return []
    return [
        (
            f"{row.label} +{100 * row.effect:g} %",
            f"{100 * check.noise:.1f} %",
            numbers.share(check.alarms, 1),
            numbers.NOT_KNOWN if check.detectable is None else f"+{100 * check.detectable:.0f} %",
        )
        for row, check in zip(result.gates, result.checks, strict=True)
    ]


def _meaning(result: AbResult) -> list[str]:
    if not result.checks:
        return []
    return [
        (
            f"False alarms: how many of all ways to call the sides of these {len(result.pairs)} pairs A and B would "
            "have failed the gate. Found in 9 of 10: the least slowdown that nearly all of them would have shown."
        )
    ]


def _pairs(result: AbResult) -> Table:
    if not result.pairs:
        return Table("Pairs", (), ())
    names = [row.label for row in result.gates] or list(_first(result).figures)
    titles = [*(f"{name} {side}" for name in names for side in "AB"), "2xx A", "2xx B"]
    columns = (Column("Pair", words=True), Column("First", words=True), *map(Column, titles))
    texts = list(_first(result).figures)
    rows = [(str(pair.number), pair.first.upper(), *_cells(pair, texts)) for pair in result.pairs]
    return Table("Pairs", columns, rows)


def _first(result: AbResult) -> SideRow:
    return next(side for pair in result.pairs for side in (pair.a, pair.b) if side is not None)


def _cells(pair: PairRow, texts: Sequence[str]) -> Iterator[str]:
    sides = (pair.a, pair.b)
    for text in texts:
        for side in sides:
            yield numbers.milliseconds(None if side is None else side.figures[text])
    for side in sides:
        yield numbers.share(None if side is None else side.success_rate)
