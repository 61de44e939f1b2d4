"""The figures of a run's effects, from what is known of each event."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.measure.backlog_curve import BacklogCurve, backlog_curve, course
from loadsim.measure.drain_forecast import forecast
from loadsim.measure.effect_book import Events, Flag
from loadsim.measure.hdr import HdrConfig, Ints
from loadsim.measure.histogram_codec import encode
from loadsim.measure.latency_stats import stats_from
from loadsim.measure.merged_counts import Sliced
from loadsim.measure.moments import Moments
from loadsim.measure.result_effects import BacklogRow, EffectsFound, Forecast
from loadsim.measure.result_events import CUT_OFF, Stats, histogram_key
from loadsim.measure.time_slices import width_for
from loadsim.model import NS_PER_S, NS_PER_US

EFFECT = HdrConfig(1, 31_622_400_000_000, 3)
"""1 µs .. 366 days, in µs: work may wait for much longer than an answer."""
MOST_EXAMPLES = 10
_Mask = NDArray[np.bool]


@dataclass(frozen=True, slots=True)
class Observed:
    """When a run's effects were watched; ns of the clock of the events' instants."""

    start_ns: int
    load_end_ns: int
    end_ns: int
    """The end of the wait."""
    error_ns: int
    """How far instants of effects may be wrong."""


def with_figures(
    found: EffectsFound, events: Events, observed: Observed, said: list[tuple[int, int]]
) -> tuple[EffectsFound, dict[str, str]]:
    """The same with all figures, and the histograms of a result.

    `said`: the backlog as the endpoint said it, by instant, ascending.
    """
    promised = ((events.flags & Flag.refusal_due) == 0) & (events.acknowledged > 0)
    done = promised & (events.done > 0)
    early = done & (events.done < events.acknowledged - observed.error_ns)
    acknowledged_at = events.acknowledged[promised] - observed.start_ns
    done_at = np.maximum(events.done[done], events.acknowledged[done]) - observed.start_ns
    curve = backlog_curve(acknowledged_at, done_at)
    stats, histograms = _latencies(events, promised, observed)
    undone, repeated = promised & ~done, events.times > 1
    weight = events.weight
    left = int(undone.sum())
    figures = msgspec.structs.replace(
        found,
        one_in=weight,
        acknowledged=int(promised.sum()) * weight,
        done=int(done.sum()) * weight,
        undone=left * weight,
        repeated=int(repeated.sum()) * weight,
        before_ack=int(early.sum()) * weight,
        unacknowledged_done=int(((events.acknowledged == 0) & (events.due > 0) & (events.done > 0)).sum()) * weight,
        refused_done=int((((events.flags & Flag.refusal_due) > 0) & (events.done > 0)).sum()) * weight,
        effect_ms=stats["effect"],
        ack_to_effect_ms=stats["ack_to_effect"],
        series=_series(acknowledged_at, done_at, observed, weight, said),
        examples=_examples({"undone": undone, "repeated": repeated, "before_ack": early}) if weight == 1 else {},
        rate_done=_rate(done_at),
    )
    return _with_backlog(figures, curve, done_at, left, observed, weight), histograms


def _with_backlog(
    found: EffectsFound, curve: BacklogCurve, done_at: Ints, left: int, observed: Observed, weight: int
) -> EffectsFound:
    load, end = observed.load_end_ns - observed.start_ns, observed.end_ns - observed.start_ns
    most = curve.most()
    last = int(curve.at[-1]) if len(curve.at) else 0
    return msgspec.structs.replace(
        found,
        load_s=load / NS_PER_S,
        backlog_max=most[0] * weight if most else 0,
        backlog_max_s=most[1] / NS_PER_S if most else None,
        backlog_avg=curve.average(load) * weight,
        backlog_at_end=curve.value(load) * weight,
        backlog_last=left * weight,
        drained=left == 0,
        drained_s=max(0, (last if left == 0 else end) - load) / NS_PER_S,
        forecast=_forecast(curve, done_at, left, load, end, weight),
    )


def _forecast(curve: BacklogCurve, done_at: Ints, left: int, load: int, end: int, weight: int) -> Forecast | None:
    """Made from what was done after the load, since the backlog was last 0."""
    if not left:
        return None
    empty = curve.at[curve.values == 0]
    since = max(load, int(empty[-1]) if len(empty) else 0)
    done = np.sort(done_at[(done_at > since) & (done_at <= end)])
    found = forecast(done, left, since, end)
    if found is None:
        return None
    return Forecast(found.rate * weight, found.left_s, found.low_s, found.high_s, len(done))


def _rate(done_at: Ints) -> float | None:
    if len(done_at) < 2:
        return None
    first, last = int(done_at.min()), int(done_at.max())
    return (len(done_at) - 1) * NS_PER_S / (last - first) if last > first else None


def _series(
    acknowledged_at: Ints, done_at: Ints, observed: Observed, weight: int, said: list[tuple[int, int]]
) -> list[BacklogRow]:
    moments, acknowledged, done = course(acknowledged_at, done_at, observed.end_ns - observed.start_ns)
    told = np.array([at - observed.start_ns for at, _ in said], dtype=np.int64)
    places = np.searchsorted(told, moments, side="right").tolist()
    return [
        BacklogRow(at / NS_PER_S, a * weight, d * weight, said[place - 1][1] if place else None)
        for at, a, d, place in zip(moments.tolist(), acknowledged.tolist(), done.tolist(), places, strict=True)
    ]


def _examples(which: dict[str, _Mask]) -> dict[str, list[int]]:
    return {name: np.flatnonzero(mask)[:MOST_EXAMPLES].tolist() for name, mask in which.items() if mask.any()}


def _latencies(events: Events, promised: _Mask, observed: Observed) -> tuple[dict[str, Stats], dict[str, str]]:
    """The two times of acknowledged events of recorded phases, and their histograms. An event that is not done counts
    with the time that it has waited, as a lower bound."""
    mine = promised & ((events.flags & Flag.recorded) > 0)
    done = events.done[mine]
    ends, cut_off = np.where(done > 0, done, observed.end_ns), done == 0
    due = events.due[mine]
    since = {"effect": due, "ack_to_effect": events.acknowledged[mine]}
    stats, histograms = {}, {}
    for name, start in since.items():
        values = np.maximum(0, ends - start)
        stats[name], counts, open_counts = _stats(values, cut_off, due - observed.start_ns)
        for key, each in ((name, counts), (histogram_key(name, status=CUT_OFF), open_counts)):
            if each.any():
                histograms[key] = encode(each, EFFECT)
    return stats, histograms


def _stats(values: Ints, cut_off: _Mask, due: Ints) -> tuple[Stats, Ints, Ints]:
    """Figures of values in ns, and the dense counts of all and of those that are lower bounds."""
    index = EFFECT.index((values + NS_PER_US - 1) // NS_PER_US)
    counts = np.bincount(index, minlength=EFFECT.counts_len).astype(np.int64)
    open_counts = np.bincount(index[cut_off], minlength=EFFECT.counts_len).astype(np.int64)
    if not len(values):
        return Stats(count=0), counts, open_counts
    us = np.maximum(1, values // NS_PER_US).tolist()
    moments = Moments(
        count=len(values),
        min=int(values.min()),
        max=int(values.max()),
        total=sum(us) * NS_PER_US,
        squares=sum(each * each for each in us) * NS_PER_US**2,
        overflow=0,
    )
    width = width_for(int(due.max()))
    sliced = _sliced(np.maximum(0, due) // width, index)
    return stats_from(moments, counts, open_counts, EFFECT, NS_PER_US, sliced, width), counts, open_counts


def _sliced(slices: Ints, index: Ints) -> Sliced:
    keys, counts = np.unique(slices * EFFECT.counts_len + index, return_counts=True)
    return Sliced(*np.divmod(keys, EFFECT.counts_len), counts.astype(np.int64))
