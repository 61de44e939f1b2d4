"""The sections on what the endpoint answered: the count of each status and error kind, and its own words."""

from __future__ import annotations

from http import HTTPStatus

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import SampleRow
from loadsim.report import numbers
from loadsim.report.blocks import Cell, Column, Quote, Quotes, Row, Section, Table

ERROR_MEANINGS = {
    "dns": "the name could not be resolved",
    "refused": "nothing accepts connections at the address",
    "connect_timeout": "no connection within the timeout",
    "connect_error": "could not connect",
    "tls": "TLS failed: the handshake, or a record after it",
    "reset": "connection broken after part of the request was sent",
    "closed_idle": "reused connection closed before any answer",
    "closed_early": "fresh connection closed before any answer",
    "truncated": "the answer started but did not end",
    "timeout": "no complete answer within the timeout",
    "protocol": "the answer is not valid HTTP",
    "body_limit": "answer body over 16 MiB",
    "internal": "internal error of loadsim",
    "goaway": "not processed: the endpoint ended the connection (HTTP/2)",
    "switched_off": "not sent: the provider had switched the endpoint off",
}


def answers_section(result: RunResult) -> Section:
    """Statuses, then error kinds, the most frequent first; then the unfinished events."""
    totals = result.totals
    rows = [_row(code, n, totals.sent, _phrase(code)) for code, n in numbers.ranked(totals.status)]
    rows += [_row(kind, n, totals.sent, ERROR_MEANINGS.get(kind, "")) for kind, n in numbers.ranked(totals.errors)]
    if totals.unfinished:
        rows.append(_row("unfinished", totals.unfinished, totals.sent, "still in flight when the drain ended"))
    columns = (Column("Answer", words=True), Column("Events"), Column("Share"))
    return Section("answers", "Answers", [Table("Answers", (*columns, Column("Meaning", words=True, long=True)), rows)])


def _row(name: str, times: int, sent: int, meaning: str) -> Row:
    share = numbers.share(times / sent if sent else None)
    return (
        Cell(numbers.outcome_name(name), "good" if name.startswith("2") else "bad"),
        numbers.count(times),
        share,
        meaning,
    )


def _phrase(code: str) -> str:
    try:
        return HTTPStatus(int(code)).phrase
    except ValueError:
        return ""


def said_section(result: RunResult) -> Section:
    """The first answers of each failing status and error kind, the most frequent kind first."""
    kinds: dict[str, list[SampleRow]] = {}
    for sample in result.samples:
        kinds.setdefault(sample.kind, []).append(sample)
    counts = result.totals.status | result.totals.errors
    ordered = sorted(kinds, key=lambda kind: (-counts.get(kind, 0), kind))
    quotes = [quote for kind in ordered for quote in _quotes(kind, kinds[kind])]
    title = "What the endpoint said"
    return Section("said", title, [Quotes(title, quotes)], "first answers of each kind")


def _quotes(kind: str, samples: list[SampleRow]) -> list[Quote]:
    """One quote for each text."""
    joined: dict[str, list[SampleRow]] = {}
    for sample in samples:
        joined.setdefault(sample.error or sample.body.strip() or "(empty body)", []).append(sample)
    quotes = []
    for text, same in joined.items():
        indexes = ", ".join(str(sample.index) for sample in same)
        which = f"event{'s' * (len(same) > 1)} {indexes}, first at {numbers.milliseconds(1000 * same[0].t_s)}"
        quotes.append(Quote(numbers.outcome_name(kind), which, text))
    return quotes
