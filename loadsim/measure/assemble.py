"""Puts a whole run together: from merged counts and what is known of the run, the stored result.

Decides which groups there are and what limited the run, in words. Refuses to judge: validity is left empty and the
verdict is "none".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadsim.measure.cells import LATENCIES, Metric, layout
from loadsim.measure.codec import encode
from loadsim.measure.hdr import Ints
from loadsim.measure.labels import Labels
from loadsim.measure.merge import Merged
from loadsim.measure.result import (
    SCHEMA,
    UNLIMITED,
    Environment,
    Limits,
    RunInfo,
    RunResult,
    SampleRow,
    ShardRow,
    Totals,
    Validity,
    VerdictRow,
)
from loadsim.measure.retries import RetryCounts, RetryLabels, retries_of
from loadsim.measure.series import series_of
from loadsim.measure.totals import Books
from loadsim.measure.volleys import VolleyCounts, duplicates_of
from loadsim.model import DROPPED, ERROR_BASE, NS_PER_S, UNFINISHED, ErrorKind, Sample, is_success

SAMPLES_PER_KIND = 3
_SATURATED = 0.01
"""Share of recorded time with every connection busy from which connections are said to have limited the run."""
_BUSY_CORE = 0.9


@dataclass(frozen=True, slots=True)
class LimitInputs:
    """What the shards saw of their own bounds. Shares are 0..1; None where it was not measured."""

    connections: int
    connections_peak: int
    saturated_share: float | None = None
    generator_cpu_share: float | None = None
    shortage: str = ""


def assemble(
    merged: Merged,
    labels: Labels,
    *,
    planned: Sequence[int] | Ints,
    run: RunInfo,
    environment: Environment,
    shards: Sequence[ShardRow],
    samples: Sequence[Sample],
    limits: LimitInputs,
    extra_unfinished: Sequence[int] | Ints | None = None,
    volleys: Sequence[VolleyCounts] = (),
    retries: Sequence[RetryCounts] = (),
    retry_labels: RetryLabels | None = None,
) -> RunResult:
    """The RunResult of a run, not yet judged.

    `planned` and `extra_unfinished` are per stratum: events due before the stop as the shards counted them, and
    (planned - ended) of lost shards as of their last frames (see `Merged.shard_counter(shard, "ended")`). `samples` of
    all shards, in any order; the first SAMPLES_PER_KIND of each status and error kind are kept.
    """
    extra = np.zeros(labels.strata, dtype=np.int64) if extra_unfinished is None else np.asarray(extra_unfinished)
    again: dict[int, int] = {}
    for extra_by_stratum in [*(each.extra for each in volleys), *(each.extra for each in retries)]:
        for stratum, deliveries in extra_by_stratum.items():
            again[stratum] = again.get(stratum, 0) + deliveries
    books = Books(merged, np.asarray(planned), extra, run.id, again)
    recorded_ns = labels.recorded_ns()
    accepting = labels.select(expect="accept")

    def group(duration_ns: int | None = recorded_ns, phase: int | None = None, type_: int | None = None) -> Totals:
        refusing = labels.select(phase=phase, type_=type_, expect="refuse") if labels.refusals else None
        wanted = labels.select(phase=phase, type_=type_, expect="accept")
        everything = phase is None and type_ is None
        return books.totals(
            wanted, duration_ns, refusing=refusing, every_interval=everything, of_phase=phase is not None
        )

    def of_case(case: str) -> Totals:
        strata = labels.select(case=case)
        refusing = labels.expects[labels.cases_of(case)[0]] == "refuse"
        return books.totals(strata, recorded_ns, refusing=strata if refusing else None)

    totals = group()
    series = series_of(merged, accepting, retried=retry_labels is not None)
    return RunResult(
        schema=SCHEMA,
        run=run,
        environment=environment,
        totals=totals,
        by_event={name: group(type_=number) for number, name in enumerate(labels.types)},
        by_case={name: of_case(name) for name in labels.case_kinds},
        by_case_part={name: of_case(name) for name in labels.case_parts},
        by_phase={name: group(labels.durations_ns[number], phase=number) for number, name in enumerate(labels.phases)},
        series=series.rows,
        slice_s=series.slice_s,
        series_histograms=series.histograms,
        histograms=_histograms(merged, labels),
        samples=_samples(samples, labels),
        shards=list(shards),
        limits=_limits(limits, totals, labels.model),
        duplicates=duplicates_of(volleys),
        retries=None if retry_labels is None else retries_of(retries, merged, planned, retry_labels),
        reconciliation=None,
        validity=Validity(valid=True, reasons=[]),
        verdict=VerdictRow(outcome="none", objectives=[]),
    )


def _histograms(merged: Merged, labels: Labels) -> dict[str, str]:
    """Every metric overall; response and service of each event type, phase and case. Empty ones are left out."""
    wanted = [(metric.name, metric, labels.select(expect="accept")) for metric in LATENCIES]
    for metric in (Metric.response, Metric.service):
        name = metric.name
        for number, type_ in enumerate(labels.types):
            wanted.append((f"{name}{{event:{type_}}}", metric, labels.select(type_=number, expect="accept")))
        for number, phase in enumerate(labels.phases):
            wanted.append((f"{name}{{phase:{phase}}}", metric, labels.select(phase=number, expect="accept")))
        wanted += [(f"{name}{{case:{case}}}", metric, labels.select(case=case)) for case in labels.case_kinds]
    counted = ((name, metric, merged.counts(metric, strata)) for name, metric, strata in wanted)
    return {name: encode(counts, layout(metric)) for name, metric, counts in counted if counts.any()}


def _samples(samples: Sequence[Sample], labels: Labels) -> list[SampleRow]:
    kept: dict[str, list[SampleRow]] = {}
    for sample in sorted(samples, key=lambda sample: (sample.t_ns, sample.index)):
        rows = kept.setdefault(kind_name(sample.code), [])
        _, type_, case = labels.unpack(sample.stratum)
        refused = labels.expects[case] == "refuse" and 400 <= sample.code < 500
        if is_success(sample.code) or refused or len(rows) == SAMPLES_PER_KIND:
            continue
        rows.append(
            SampleRow(
                kind=kind_name(sample.code),
                index=sample.index,
                type=labels.types[type_],
                case=labels.cases[case],
                t_s=sample.t_ns / NS_PER_S,
                headers=list(sample.headers),
                body=sample.body,
                error=sample.error,
            )
        )
    return [row for rows in kept.values() for row in rows]


def kind_name(code: int) -> str:
    """The status, the error kind's name, or what became of the event."""
    if code < ERROR_BASE:
        return str(code)
    return {UNFINISHED: "unfinished", DROPPED: "dropped"}.get(code) or ErrorKind(code - ERROR_BASE).name


def _limits(inputs: LimitInputs, totals: Totals, model: str) -> Limits:
    notes = []
    saturated, cpu = inputs.saturated_share, inputs.generator_cpu_share
    if saturated is not None and saturated >= _SATURATED:
        notes.append(f"limited by connections: {inputs.connections} busy for {saturated * 100:.0f} % of the time")
    if cpu is not None and cpu >= _BUSY_CORE:
        notes.append(f"limited by the generator: its busiest process used {cpu * 100:.0f} % of a core")
    if not notes and model == "closed":
        notes.append(f"closed model: {inputs.connections} in flight, the endpoint set the pace")
    elif not notes and saturated is not None:
        notes.append(UNLIMITED)
    if cpu is not None and cpu < _BUSY_CORE:
        notes.append(f"the busiest generator process used {cpu * 100:.0f} % of a core")
    return Limits(
        connections=inputs.connections,
        connections_peak=inputs.connections_peak,
        saturated_share=saturated,
        generator_cpu_share=cpu,
        lag_p99_ms=totals.latency_ms["lag"].p99,
        notes=notes,
        shortage=inputs.shortage,
    )
