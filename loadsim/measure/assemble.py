"""Makes the stored result of a run from the merged counts and the facts of the run.

The result is not judged yet: its verdict is "none".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from loadsim.measure.cells import BY_STATUS, LATENCIES, STATUS_PARTS, Metric, Part, layout
from loadsim.measure.hdr import Ints
from loadsim.measure.histogram_codec import encode
from loadsim.measure.load_shortfall import short_windows
from loadsim.measure.merged_counts import Merged
from loadsim.measure.named_events import NOBODY, Named
from loadsim.measure.result import SCHEMA, Environment, RunInfo, RunResult
from loadsim.measure.result_events import (
    CUT_OFF,
    AddressRow,
    ConnectionRow,
    DeadlineCount,
    SampleRow,
    Totals,
    busiest,
    histogram_key,
)
from loadsim.measure.result_generator import Limits, ShardRow, ShortWindow
from loadsim.measure.result_verdict import Validity, VerdictRow
from loadsim.measure.retries import RetryCounts, RetryScope, retries_of
from loadsim.measure.strata import StratumNames
from loadsim.measure.time_series import series_of
from loadsim.measure.totals import Accounts
from loadsim.measure.volleys import VolleyCounts, duplicates_of
from loadsim.measure.without_generator_merge import LatenessMerge
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import is_success

SAMPLES_PER_KIND = 3
_CUT_OFF = {CUT_OFF: Part.unfinished}
_EVERY_STATUS = {**STATUS_PARTS, **_CUT_OFF}


@dataclass(frozen=True, slots=True)
class LimitInputs:
    """What the shards measured of their own limits. Shares are 0..1; None: not measured."""

    connections: int
    connections_peak: int
    saturated_share: float | None = None
    generator_cpu_share: float | None = None
    shortage: str = ""
    steal_share: float | None = None


def assemble(
    merged: Merged,
    names: StratumNames,
    *,
    planned: Sequence[int] | Ints,
    run: RunInfo,
    environment: Environment,
    shards: Sequence[ShardRow],
    samples: Sequence[SampleRow],
    limits: LimitInputs,
    lateness: LatenessMerge | None = None,
    extra_unfinished: Sequence[int] | Ints | None = None,
    volleys: Sequence[VolleyCounts] = (),
    retries: Sequence[RetryCounts] = (),
    retry_scope: RetryScope | None = None,
    addresses: Sequence[AddressRow] = (),
    connections: Sequence[ConnectionRow] = (),
    deadlines: Sequence[int] = (),
    named: Named = NOBODY,
) -> RunResult:
    """The RunResult of a run, not yet judged.

    `planned` and `extra_unfinished` are per stratum: events due before the stop as the shards counted them, and
    (planned - ended) of lost shards as of their last frames (see `Merged.shard_counter(shard, "ended")`). `samples` of
    all shards, in any order; the first SAMPLES_PER_KIND of each status and error kind are kept. `deadlines`: as the
    tallies had them. `named`: the events that the result names.
    """
    extra = np.zeros(names.strata, dtype=np.int64) if extra_unfinished is None else np.asarray(extra_unfinished)
    again: dict[int, int] = {}
    for extra_by_stratum in [*(each.extra for each in volleys), *(each.extra for each in retries)]:
        for stratum, deliveries in extra_by_stratum.items():
            again[stratum] = again.get(stratum, 0) + deliveries
    accounts = Accounts(merged, np.asarray(planned), extra, again)
    recorded_ns = names.recorded_ns()
    accepting = names.select(expect="accept")

    def group(duration_ns: int | None = recorded_ns, phase: int | None = None, type_: int | None = None) -> Totals:
        refusing = names.select(phase=phase, type_=type_, expect="refuse") if names.refusals else None
        wanted = names.select(phase=phase, type_=type_, expect="accept")
        everything = phase is None and type_ is None
        return accounts.totals(
            wanted, duration_ns, refusing=refusing, every_interval=everything, of_phase=phase is not None
        )

    def of_case(case: str) -> Totals:
        strata = names.select(case=case)
        refusing = names.expects[names.cases_of(case)[0]] == "refuse"
        return accounts.totals(strata, recorded_ns, refusing=strata if refusing else None)

    totals = group()
    series = series_of(merged, names, retried=retry_scope is not None)
    return RunResult(
        schema=SCHEMA,
        run=run,
        environment=environment,
        totals=totals,
        by_event={name: group(type_=number) for number, name in enumerate(names.types)},
        by_case={name: of_case(name) for name in names.case_kinds},
        by_case_part={name: of_case(name) for name in names.case_parts},
        by_phase={name: group(names.durations_ns[number], phase=number) for number, name in enumerate(names.phases)},
        series=series.rows,
        slice_s=series.slice_s,
        series_histograms=series.histograms,
        histograms=_histograms(merged, names),
        samples=_samples(samples, names),
        shards=list(shards),
        limits=_with_pauses(
            _limits(limits, totals),
            names,
            lateness,
            len(shards),
            short_windows(merged, names.select(), totals.rate_planned),
        ),
        second_look=None if lateness is None else lateness.look(merged, names),
        duplicates=duplicates_of(volleys),
        retries=None if retry_scope is None else retries_of(retries, merged, planned, retry_scope),
        reconciliation=None,
        addresses=by_address(addresses),
        connections=busiest(connections),
        deadlines=_deadlines(merged, accepting, deadlines),
        slowest=named.slowest,
        failing=named.failing,
        validity=Validity(valid=True, reasons=[]),
        verdict=VerdictRow(outcome="none", objectives=[]),
    )


def _deadlines(merged: Merged, strata: Sequence[int], deadlines: Sequence[int]) -> list[DeadlineCount]:
    found = merged.sliced(Metric.overdue, strata)
    return [
        DeadlineCount(deadline_ns=ns, past=int(found.counts[found.indexes > number].sum()))
        for number, ns in enumerate(deadlines)
    ]


def by_address(rows: Sequence[AddressRow]) -> list[AddressRow]:
    """The rows of all shards added up: one row for each address."""
    found: dict[str, AddressRow] = {}
    for row in rows:
        before = found.get(row.address, AddressRow(row.address, 0, 0))
        found[row.address] = AddressRow(
            row.address,
            before.connections + row.connections,
            before.answers + row.answers,
            before.failures + row.failures,
        )
    return list(found.values())


def _histograms(merged: Merged, names: StratumNames) -> dict[str, str]:
    """Every metric overall; response and service of each event type, phase and case; of answers by class of status,
    overall and by phase; of unfinished events, wherever there is a histogram of all. Empty ones are left out."""
    found: dict[str, str] = {}

    def keep(metric: Metric, strata: Sequence[int], parts: Mapping[str, Part], **tags: str) -> None:
        for status, part in [(None, None), *parts.items()]:
            counts = merged.counts(metric, strata, None if part is None else [part])
            if counts.any():
                key = histogram_key(metric.name, **tags, **({"status": status} if status else {}))
                found[key] = encode(counts, layout(metric))

    accepting = names.select(expect="accept")
    for metric in LATENCIES:
        keep(metric, accepting, _EVERY_STATUS if metric in BY_STATUS else _CUT_OFF)
    for metric in (Metric.response, Metric.service):
        for number, type_ in enumerate(names.types):
            keep(metric, names.select(type_=number, expect="accept"), _CUT_OFF, event=type_)
        for case in names.case_kinds:
            keep(metric, names.select(case=case), _CUT_OFF, case=case)
    for metric in BY_STATUS:
        for number, phase in enumerate(names.phases):
            keep(metric, names.select(phase=number, expect="accept"), _EVERY_STATUS, phase=phase)
    return found


def _samples(samples: Sequence[SampleRow], names: StratumNames) -> list[SampleRow]:
    kept: dict[str, list[SampleRow]] = {}
    for row in sorted(samples, key=lambda row: (row.t_s, row.index)):
        rows = kept.setdefault(row.kind, [])
        if not _as_it_should(row, names) and len(rows) < SAMPLES_PER_KIND:
            rows.append(row)
    return [row for rows in kept.values() for row in rows]


def _as_it_should(row: SampleRow, names: StratumNames) -> bool:
    """A 2xx answer, or a refusal where one was due: nothing that needs an example."""
    if not row.kind.isdigit():
        return False
    status = int(row.kind)
    return is_success(status) or (names.expects[names.cases.index(row.case)] == "refuse" and 400 <= status < 500)


def _with_pauses(
    limits: Limits, names: StratumNames, lateness: LatenessMerge | None, shards: int, short: list[ShortWindow]
) -> Limits:
    """With what is known of the generator's pauses. `short`: see `Limits.short`."""
    if lateness is None:
        return msgspec.structs.replace(limits, short=short)
    spans = zip(names.phases, names.stretches_ns, strict=True)
    away = {name: lateness.away_ns([span]) / NS_PER_S / max(1, shards) for name, span in spans}
    recorded = dict(zip(names.phases, names.recorded, strict=True))
    return msgspec.structs.replace(
        limits,
        short=short,
        away_s=sum(seconds for name, seconds in away.items() if recorded[name]),
        away_by_phase={name: seconds for name, seconds in away.items() if seconds},
        pauses=lateness.pauses,
        longest_pause_s=lateness.longest_ns / NS_PER_S,
    )


def _limits(inputs: LimitInputs, totals: Totals) -> Limits:
    return Limits(
        connections=inputs.connections,
        connections_peak=inputs.connections_peak,
        saturated_share=inputs.saturated_share,
        generator_cpu_share=inputs.generator_cpu_share,
        lag_p99_ms=totals.latency_ms["lag"].p99,
        shortage=inputs.shortage,
        steal_share=inputs.steal_share,
    )
