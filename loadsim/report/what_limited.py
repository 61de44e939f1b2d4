"""Sentences on what limited a run: connections, the endpoint, the generator and what kept it from its work."""

from __future__ import annotations

import math
from collections.abc import Iterator

from loadsim.judge.validity import often_late, rules_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.model import counted
from loadsim.report import numbers
from loadsim.report.address_lines import address_lines
from loadsim.report.connections_section import shared_lines

SATURATED = 0.01
"""From this share of recorded time with every connection busy on, connections limited the run."""
BUSY_CORE = 0.9
"""From this share of its core on, a generator process was at its own limit."""
SIGNING = 0.5
"""From this share of its processor time on, signing was what kept a busy generator from sending more."""
_QUEUED_S = 0.01
"""Less waiting for a core than this is not worth a line."""
_STOLEN = 0.001


def limit_lines(result: RunResult) -> list[str]:
    """The limits of the run in sentences: connections, addresses, lag, the generator."""
    limits = result.limits
    lines = _highest_limits(result)
    if result.run.http == "2":
        lines += shared_lines(result)
    else:
        lines.append(f"connections: at most {limits.connections_peak:,} of {limits.connections:,} open at once")
    lines += address_lines(result.addresses)
    if limits.lag_p99_ms is not None and result.run.model == "open":
        lines.append(f"generator lag: p99 {numbers.milliseconds(limits.lag_p99_ms)}")
    signed = result.totals.latency_ms.get("sign")
    if signed is not None and signed.p50 is not None:
        p99 = "" if signed.p99 is None else f", p99 {numbers.milliseconds(signed.p99)}"
        lines.append(f"making and signing one event took p50 {numbers.milliseconds(signed.p50)}{p99}")
    lines += _pause_lines(result)
    if result.generator_limits is not None:
        lines.append(generator_words(result.generator_limits))
    if result.totals.after_end:
        after_end = counted(sum(result.totals.after_end.values()), "answer")
        lines.append(f"{after_end} came after recording had ended: the completed rate is without them")
    if result.totals.unsent:
        lines.append(f"{counted(result.totals.unsent, 'event')} ended without a byte sent")
    return lines


def _highest_limits(result: RunResult) -> list[str]:
    """What set the pace of the run: connections, the generator, the endpoint, or nothing."""
    limits = result.limits
    saturated, cpu = limits.saturated_share, limits.generator_cpu_share
    lines = []
    if saturated is not None and saturated >= SATURATED:
        lines.append(f"limited by connections: {limits.connections} busy for {saturated * 100:.0f} % of the time")
    if cpu is not None and cpu >= BUSY_CORE:
        lines.append(f"limited by the generator: its busiest process used {cpu * 100:.0f} % of a core")
    share = signing_share(result)
    if share is not None and share >= SIGNING and _wanted_share(result) >= BUSY_CORE:
        lines.append(_signing_words(result, share))
    if not lines and result.run.model == "closed":
        lines.append(f"closed model: {limits.connections} in flight, the endpoint set the pace")
    elif not lines and often_late(result, rules_of(result)):
        lines.append("limited by the generator: it was late for many events")
    elif not lines and saturated is not None and result.validity.valid:
        # a generator that lagged or was lost is a limit too, and the verdict names it
        lines.append("nothing limited the run")
    if cpu is not None and cpu < BUSY_CORE:
        lines.append(f"the busiest generator process used {cpu * 100:.0f} % of a core")
    return lines


def signing_share(result: RunResult) -> float | None:
    """Share of the generator's processor time that went into making and signing events; None: not known.

    By the median of the times taken: a process that is interrupted while it signs must not look like a slow signer.
    """
    totals, cpu = result.totals, result.limits.generator_cpu_share
    signed = totals.latency_ms.get("sign")
    busy_s = (cpu or 0.0) * (totals.duration_s or 0.0) * len(result.shards)
    if signed is None or signed.p50 is None or not busy_s:
        return None
    return min(1.0, signed.p50 / 1e3 * totals.attempts / busy_s)


def _wanted_share(result: RunResult) -> float:
    """Share of the time in which the busiest process used a core or waited for one."""
    queued = max((shard.queued_s or 0.0 for shard in result.shards), default=0.0)
    return (result.limits.generator_cpu_share or 0.0) + queued / (result.totals.duration_s or math.inf)


def _signing_words(result: RunResult, share: float) -> str:
    signed = result.totals.latency_ms["sign"].p50 or 0.0
    name = str((result.run.scenario.get("target") or {}).get("scheme", ""))
    took, cost = numbers.milliseconds(signed), numbers.milliseconds(signed / share)
    return (
        f"signing was the limit: {took} of the {cost} that an event cost a process (scheme {name}); more processes "
        "(--workers) on further cores share it, and Ed25519 or ECDSA sign in a tenth of the time of RSA"
    )


def _pause_lines(result: RunResult) -> Iterator[str]:
    """How long the generator was kept from its work, as far as that is known."""
    limits = result.limits
    if limits.pauses:
        away = "" if limits.away_s is None else f", {numbers.milliseconds(1000 * limits.away_s)} of the recorded time"
        longest = numbers.milliseconds(1000 * limits.longest_pause_s)
        yield f"the generator was away {limits.pauses:,} time{'s' * (limits.pauses != 1)}{away}, the longest {longest}"
    queued = max((shard.queued_s for shard in result.shards if shard.queued_s is not None), default=0.0)
    if queued >= _QUEUED_S:
        yield f"a generator process waited {numbers.milliseconds(1000 * queued)} for a core"
    if limits.steal_share is not None and limits.steal_share >= _STOLEN:
        yield f"the hypervisor gave {numbers.share(limits.steal_share)} of this machine's processor time to others"


def generator_words(limits: GeneratorLimits) -> str:
    """The generator's own limits on this machine: the latency that it adds, and its highest rate."""
    p50, p99 = numbers.milliseconds(limits.service_p50_ms), numbers.milliseconds(limits.service_p99_ms)
    share = limits.generator_cpu_share
    # with processor time left, the generator did not limit the rate: it could have sent more
    bound = "at least" if share is not None and share < BUSY_CORE else "at most"
    return (
        f"this generator's limits here: service p50 {p50}, p99 {p99}, {bound} {numbers.count(limits.rate_max)}/s per "
        f"process (measured {limits.measured_at[:10]})"
    )
