"""What the receiver's books say of a run, in rows and sentences: every figure with its meaning.

Decides the words and which figures are findings. Refuses to join books and to judge a run: objectives do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from loadsim.measure.result import Reconciliation
from loadsim.report import figures

FINDINGS = {
    "acknowledged_not_received": "answered 2xx, and not in the receiver's books",
    "unanswered": "sent, never answered, and not in the receiver's books",
    "duplicated": "in the receiver's books more often than they should be",
    "forged_unanswered": "forged, not answered 2xx, and in the receiver's books all the same",
    "never_sent": "in the receiver's books under this run's name, and never sent by it",
}
GRAVE = ("lost", "duplicated", "forged_accepted", "forged_unanswered")
"""What makes `loadsim reconcile` fail."""


class BookRow(NamedTuple):
    """One figure of a reconciliation. `bad`: it ought to be 0 and is not."""

    name: str
    events: int | None
    meaning: str
    bad: bool


def found_in(books: Reconciliation) -> bool:
    """Whether anything was lost, duplicated or let in."""
    return any(getattr(books, name) for name in GRAVE)


def book_rows(books: Reconciliation | None) -> list[BookRow]:
    """Every figure; none where there are no books, or none that could be read."""
    return [] if books is None or books.problem else list(_rows(books))


def _rows(books: Reconciliation) -> Iterator[BookRow]:
    more = "more often than they were sent" if books.of == "deliveries" else "more than once"
    yield BookRow("sent", books.sent, "acceptance was due; warm-up included", bad=False)
    yield BookRow("delivered", books.delivered, "answered 2xx, and in the receiver's books", bad=False)
    yield BookRow("unacknowledged", books.unacknowledged, "in the books, but not answered 2xx", bad=False)
    yield BookRow("refused", books.refused, "answered otherwise, and not in the books", bad=False)
    yield BookRow("lost", books.lost, "not in the books, although no answer said so", bad=bool(books.lost))
    lying = books.acknowledged_not_received
    yield BookRow("of these 2xx", lying, "acknowledged and never received", bad=bool(lying))
    yield BookRow("duplicated", books.duplicated, f"in the books {more}", bad=bool(books.duplicated))
    if books.reordered is not None:
        places = books.reorder_extent or 0
        extent = f", by at most {places:,} place{'s' * (places != 1)}" if places else ""
        yield BookRow("reordered", books.reordered, f"came behind one that was due later{extent}", bad=False)
    if books.forged_sent:
        yield BookRow("forged", books.forged_sent, "sent, a refusal was due", bad=False)
        let_in, silent = books.forged_accepted, books.forged_unanswered
        yield BookRow("let in", let_in, "of these, answered 2xx and in the books", bad=bool(let_in))
        yield BookRow("let in silently", silent, "of these, in the books without a 2xx answer", bad=bool(silent))
    if books.never_sent:
        yield BookRow("never sent", books.never_sent, "in the books under this run's name", bad=True)


def book_findings(books: Reconciliation | None) -> Iterator[str]:
    """One sentence for each figure that ought to be 0 and is not, with the first events that it counts; what was
    let in by a 2xx answer is left to those who speak of answers."""
    if books is None or books.problem:
        return
    unanswered = (books.lost or 0) - (books.acknowledged_not_received or 0)
    for name, words in FINDINGS.items():
        count = getattr(books, name, unanswered)
        if count:
            yield f"{_events(count)} {words}{_examples(books, name)}"


def _events(count: int) -> str:
    return f"{figures.count(count)} event{'s' * (count != 1)}"


def _examples(books: Reconciliation, name: str) -> str:
    found = books.examples.get(name, [])
    if not found:
        return ""
    return f" (first: index {', '.join(map(str, found))})"


def source_words(books: Reconciliation) -> str:
    """Whose books these are, or why they could not be read."""
    if books.problem:
        return f"the books of {books.source} could not be read: {books.problem}"
    kind = "counts deliveries" if books.of == "deliveries" else "counts what was done"
    return f"{books.source} ({kind})"


def render_books(books: Reconciliation, run_id: str) -> str:
    """Everything as text. Ends in a newline."""
    rows = book_rows(books)
    wide = max((len(row.name) for row in rows), default=0)
    lines = [f"Run {run_id}, joined with {source_words(books)}", ""]
    lines += [
        f"{'✗' if row.bad else ' '} {row.name:<{wide}}  {figures.count(row.events):>11}  {row.meaning}" for row in rows
    ]
    found = list(book_findings(books))
    return "\n".join(map(figures.printable, [*lines, *(["", *found] if found else [])])) + "\n"
