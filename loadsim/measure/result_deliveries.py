"""The part of a stored result that is about events of several deliveries, and about those that arrived."""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result_numbers import Count, Figure


class DuplicateRow(msgspec.Struct, frozen=True):
    """Deliveries of duplicated events that came at one time relative to the first answer."""

    deliveries: Count
    status: dict[str, Count]
    errors: dict[str, Count]
    unfinished: Count
    p50_ms: Figure | None
    """Service time of the answered deliveries."""
    p99_ms: Figure | None


class Duplicates(msgspec.Struct, frozen=True):
    """Events that were sent as several identical deliveries at the same instant."""

    events: Count
    """How many."""
    spread_p50_ms: Figure | None
    """From the first write call of the first copy to that of the last copy, over all events."""
    spread_p99_ms: Figure | None
    """Percentile 99 of the same."""
    spread_max_ms: Figure | None
    """The greatest."""
    first: DuplicateRow
    """The delivery of each event that was answered first."""
    same_time: DuplicateRow
    """Sent before that answer arrived: the endpoint was at work on the same event."""
    afterwards: DuplicateRow
    """Sent after that answer had arrived: the endpoint had the event already."""


class AttemptRow(msgspec.Struct, frozen=True):
    """The deliveries of one attempt number."""

    attempt: Count
    """1 is the first delivery."""
    deliveries: Count
    delivered: Count
    """Answered 2xx."""
    status: dict[str, Count]
    errors: dict[str, Count]
    unfinished: Count
    and_later: bool = False
    """This row holds all later attempts too."""


class RetryTotals(msgspec.Struct, frozen=True):
    """How genuine events fared under a provider's retry profile, over the whole run, warm-up included."""

    profile: str
    """Name of the provider's profile."""
    title: str
    """Name of the provider."""
    time_scale: Figure
    """The provider's pauses were divided by this."""
    modelled: bool
    """The pauses between attempts are loadsim's: the provider publishes only their number and their total time."""
    retried: Count
    """Events that had to wait for another attempt."""
    attempts: Count
    """All deliveries, including the first of each event."""
    delivered: Count
    """Events that a later attempt delivered."""
    delivery_p50_ms: Figure | None
    """From the due time of such an event to its delivery, in the (scaled) time of the run."""
    delivery_p99_ms: Figure | None
    """Percentile 99 of the same."""
    delivery_max_ms: Figure | None
    """The longest."""
    given_up: Count
    """Events whose last attempt failed."""
    cut_off: Count
    """Events that had another attempt to come when the endpoint was switched off."""
    no_room: Count
    """Events that were given up because too many were waiting already."""
    waiting: Count
    """Events that still waited for another attempt when the run was over; they are unfinished."""
    undelivered: Count
    """Events that became due while the endpoint was switched off, and were not sent."""
    in_doubt: Count
    """Attempts that were sent, not answered completely, and repeated: the endpoint may have those events twice."""
    base_rate: Figure | None
    """Events per second that became due, over the phases in which any did."""
    peak_rate: Figure | None
    """The most deliveries in any second."""
    peak_s: Figure | None
    """When that was."""
    backlog: Count
    """The most events that at one time had failed and were not yet delivered or given up."""
    backlog_s: Figure | None
    """When the backlog was last so large."""
    drain_s: Figure | None
    """Time from then until there was no backlog; None: it did not end."""
    off_s: Figure | None
    """When the provider switched the endpoint off; None: never."""
    why: str
    """Why the endpoint was switched off, in words; empty if it was not."""
    by_attempt: list[AttemptRow]
    """One row for each attempt number."""


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The events sent, compared with the receiver's ledger, over the whole run, warm-up included.

    All counts are of events. Those up to `duplicated` are of events that the endpoint had to accept, and
    `sent = delivered + unacknowledged + refused + lost`. All are None when the ledger could not be read; see `problem`.
    """

    source: str
    """Where the ledger came from: the embedded receiver, a URL or a file."""
    problem: str = ""
    """Why the ledger could not be used; empty when it could."""
    of: Literal["deliveries", "effects"] | None = None
    """What the ledger counts: deliveries that arrived, or what was done for an event."""
    sent: Count | None = None
    """At least one byte of the event was handed to the kernel."""
    delivered: Count | None = None
    """Answered 2xx, and in the ledger."""
    unacknowledged: Count | None = None
    """In the ledger, and not answered 2xx: a provider would send them again."""
    refused: Count | None = None
    """Answered with another status than 2xx, or `goaway`, and not in the ledger: both sides agree."""
    lost: Count | None = None
    """Not in the ledger, although no answer refused them: answered 2xx, or not at all."""
    acknowledged_not_received: Count | None = None
    """The part of `lost` that was answered 2xx."""
    duplicated: Count | None = None
    """In the ledger more often than they were sent (deliveries), or more than once (effects)."""
    reordered: Count | None = None
    """Arrived after an event that was due later (RFC 4737, 3.3). None: the order is not known."""
    reorder_extent: Count | None = None
    """The most places that such an event was behind the first event that overtook it (RFC 4737, 4.2.1)."""
    forged_sent: Count | None = None
    """Events that the endpoint had to refuse."""
    forged_accepted: Count | None = None
    """Of those, answered 2xx and in the ledger."""
    forged_unanswered: Count | None = None
    """Of those, in the ledger although the answer was not 2xx."""
    never_sent: Count | None = None
    """In the ledger under the name of this run, but never sent by it."""
    examples: dict[str, list[Count]] = msgspec.field(default_factory=dict)
    """For each figure the first indexes of the events that it counts."""
