"""Accounting of a group of events: how many were planned, sent, answered, refused or lost, and whether it balances.

It defines what is counted as completed, succeeded, unfinished or forged and accepted, and which sums must be equal. The
judge decides what a sum that is not equal means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import BY_STATUS, LATENCIES, STATUS_PARTS, Metric, Part
from loadsim.measure.hdr import Ints
from loadsim.measure.latency_stats import stats_of
from loadsim.measure.merged_counts import Merged
from loadsim.measure.result_events import Stats, Totals
from loadsim.measure.share_bounds import upper95
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED, is_success

NO_EXTRA: Mapping[int, int] = MappingProxyType({})
_NOT_SENT = ERROR_BASE + ErrorKind.switched_off
_HEADLINES = (Metric.response, Metric.service)


class Accounts:
    """Makes `Totals` of any group of strata.

    `planned` and `extra_unfinished` are per stratum, int64 (strata,): the events due before the stop, as the shards
    counted them, and the events that lost shards had started and whose end is not known. `extra_attempts`: deliveries
    beyond the first of each event, by stratum.
    """

    def __init__(
        self,
        merged: Merged,
        planned: Ints,
        extra_unfinished: Ints,
        extra_attempts: Mapping[int, int] = NO_EXTRA,
    ) -> None:
        self._merged = merged
        self._planned = planned
        self._extra = extra_unfinished
        self._extra_attempts = extra_attempts

    def totals(
        self,
        strata: Sequence[int],
        duration_ns: int | None,
        *,
        refusing: Sequence[int] | None = None,
        every_interval: bool = False,
        of_phase: bool = False,
    ) -> Totals:
        """Counts and latencies of `strata` over `duration_ns` (None or 0: rates are unknown).

        Rates agree with the counts. `rate_planned` and `rate_sent` times the duration are the events planned and sent,
        because an event belongs to the time in which it was due. `rate_completed` times the duration, plus `after_end`,
        are the events completed. `after_end` are the answers that came after recording had ended, that is while
        draining or in a phase that is not recorded; with `of_phase`, after the end of their own phase.

        `refusing`: the strata in which a refusal was due, for `forged_accepted` and `refused_badly`; None: neither is
        known. `every_interval`: 95 % intervals for all metrics, not just response and service.
        """
        merged, group = self._merged, list(strata)
        codes, after_end = merged.codes(group), merged.after_end(group, of_phase=of_phase)
        lost = int(self._extra[group].sum())
        # From the cumulative counters, while `codes` is the sum of all deltas: after a lost frame the accounts do not
        # balance.
        sent = merged.counter("ended", group) - merged.counter("dropped", group) + lost
        completed = sum(n for code, n in codes.items() if code < ERROR_BASE)
        succeeded = sum(n for code, n in codes.items() if is_success(code))
        planned = int(self._planned[group].sum())
        owed = {} if refusing is None else self._refusals(list(refusing))
        with_interval = LATENCIES if every_interval else _HEADLINES
        return Totals(
            planned=planned,
            sent=sent,
            completed=completed,
            succeeded=succeeded,
            failed=sent - succeeded,
            dropped=codes.get(DROPPED, 0),
            unfinished=codes.get(UNFINISHED, 0) + lost,
            unsent=merged.counter("unsent", group),
            attempts=sent - codes.get(_NOT_SENT, 0) + sum(self._extra_attempts.get(each, 0) for each in group),
            bytes_sent=merged.counter("bytes_sent", group),
            bytes_received=merged.counter("bytes_received", group),
            duration_s=duration_ns / NS_PER_S if duration_ns else None,
            rate_planned=_rate(planned, duration_ns),
            rate_sent=_rate(sent, duration_ns),
            rate_completed=_rate(completed - sum(after_end.values()), duration_ns),
            success_rate=succeeded / sent if sent else None,
            status={str(code): n for code, n in codes.items() if code < ERROR_BASE},
            errors={ErrorKind(code - ERROR_BASE).name: n for code, n in codes.items() if _is_error(code)},
            latency_ms={
                metric.name: stats_of(merged, metric, group, with_intervals=metric in with_interval)
                for metric in LATENCIES
            },
            by_status=self._by_status(group, with_intervals=every_interval),
            duration_ns=duration_ns or None,
            woken_late=merged.counter("woken_late", group),
            after_end={str(code): n for code, n in after_end.items()},
            **owed,
        )

    def _by_status(self, strata: list[int], *, with_intervals: bool) -> dict[str, dict[str, Stats]]:
        """Latencies by class of status; `with_intervals`: with those of 2xx answers."""
        found: dict[str, dict[str, Stats]] = {}
        for name, part in STATUS_PARTS.items():
            if self._merged.moments(Metric.response, strata, [part]) is not None:
                stated = with_intervals and part is Part.ok
                found[name] = {
                    metric.name: stats_of(self._merged, metric, strata, [part], with_intervals=stated)
                    for metric in BY_STATUS
                }
        return found

    def _refusals(self, strata: list[int]) -> dict[str, Any]:
        """The fields of `Totals` about events that had to be refused (400-499)."""
        codes = self._merged.codes(strata)
        answered = sum(n for code, n in codes.items() if code < ERROR_BASE)
        errors = sum(n for code, n in codes.items() if _is_error(code))
        accepted = sum(n for code, n in codes.items() if is_success(code))
        wrong = answered - accepted - sum(n for code, n in codes.items() if 400 <= code < 500) + errors
        lost = int(self._extra[strata].sum())
        return {
            "forged_accepted": accepted,
            "refused_badly": wrong,
            "refusals_due": self._merged.counter("ended", strata) - self._merged.counter("dropped", strata) + lost,
            "forged_accepted_upper": upper95(accepted, answered),
            "refused_badly_upper": upper95(wrong, answered + errors),
        }


def _is_error(code: int) -> bool:
    return ERROR_BASE < code < UNFINISHED


def _rate(count: int, duration_ns: int | None) -> float | None:
    return count * NS_PER_S / duration_ns if duration_ns else None
