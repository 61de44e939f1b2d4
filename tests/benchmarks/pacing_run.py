"""One run of `pacing`: loadsim in the open model against a receiver that notes when everything arrived, as figures.

Lateness is loadsim's own `lag` (woken - due). Everything else is looked at from outside: arrivals are matched to the
plan by the event's index. The delivered rate is (n - 1) / (last - first arrival) against the same of the plan. Early
is what arrives before its due time; the run's start is stored to the millisecond below, so that less than that may hide
here (`lag` has no such limit). Gaps go through a one-sample Kolmogorov-Smirnov test against the exponential
distribution of the asked rate (p by Stephens' approximation, 1970).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadsim.measure.result import RunResult, load_result
from loadsim.model import NS_PER_S
from loadsim.plan import Plan, load_scenario
from tests.benchmarks import common
from tests.benchmarks.common import Cores
from tests.benchmarks.witness import Testimony, watching

SEED = 20_260
CONNECTIONS = 256
SCENARIO = """\
name = "pacing"
seed = {seed}

[target]
url = "{url}"
connections = {connections}

[[events]]
type = "{event}"

[[phases]]
name = "steady"
duration = "{seconds}s"
rate = "{rate}/s"
arrivals = "{arrivals}"
"""

Ints = npt.NDArray[np.int64]


def kolmogorov_smirnov(gaps_s: npt.NDArray[np.float64], rate: float) -> tuple[float, float]:
    """The statistic D and the p-value of `gaps_s` against an exponential distribution of mean 1 / rate.

    p by the Kolmogorov distribution at D (sqrt n + 0.12 + 0.11 / sqrt n) (Stephens 1970).
    """
    n = len(gaps_s)
    expected = -np.expm1(-rate * np.sort(gaps_s))
    steps = np.arange(n + 1) / n
    d = float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))
    scaled = d * (n**0.5 + 0.12 + 0.11 / n**0.5)
    if scaled < 0.3:  # the series does not converge there, and p is 1 to nine digits
        return d, 1.0
    k = np.arange(1, 101)
    p = 2 * float(np.sum((-1.0) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2)))
    return d, min(1.0, max(0.0, p))


def scenario_text(url: str, rate: int, arrivals: str, seconds: int) -> str:
    """The scenario of one run. What is due when does not depend on `url`."""
    return SCENARIO.format(
        seed=SEED,
        url=url,
        connections=CONNECTIONS,
        event=common.EVENT,
        seconds=seconds,
        rate=rate,
        arrivals=arrivals,
    )


def planned_dues(scenario: str) -> Ints:
    """Due times by index, ns since the run's start."""
    plan = Plan(
        load_scenario(scenario, source="pacing", known_types=[common.EVENT], known_schemes=["trackpilots"]), SEED
    )
    return np.concatenate([np.array(block.due, np.int64) for block in plan.blocks(0)])


def run(cores: Cores, rate: int, arrivals: str, seconds: int, *, pure: bool) -> dict[str, Any]:
    """One run, as its row of figures; `pure`: without the compiled step. Raises SystemExit with the tool's last words
    when it fails."""
    port = common.free_port()
    with (
        tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name,
        watching(cores.target, port, Path(name) / "arrivals.npy") as witness,
    ):
        text = scenario_text(witness.url, rate, arrivals, seconds)
        scenario, kept = Path(name) / "pacing.toml", Path(name) / "kept.json"
        scenario.write_text(text, encoding="utf-8")
        load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
        done = subprocess.run(
            common.pinned(
                cores.generator, common.loadsim("run", str(scenario), "-q", "--out", name, "--json", str(kept))
            ),
            cwd=common.ROOT,
            env=common.child_environment(common.purity(pure)),
            capture_output=True,
            text=True,
            check=False,
        )
        if not kept.exists():
            raise SystemExit(f"loadsim ended with exit code {done.returncode}: {done.stderr.strip()}")
        seen = witness.testimony()
        took, now = time.perf_counter() - began, common.machine_load()
        result = load_result(kept.read_bytes(), "kept.json")
        if seen.received < 2:
            raise SystemExit(f"hardly anything arrived: {done.stderr.strip()}")
        row = figures(result, seen, witness.arrivals(), planned_dues(text), rate)
    used = common.own_cpu_seconds() - own  # the witness has ended: it is counted among our children
    return {**row, "noise": round(common.noise(load, now, used, took), 3)}


def figures(result: RunResult, seen: Testimony, arrived: Ints, dues: Ints, rate: int) -> dict[str, Any]:
    """What one run amounts to. Times in us."""
    lag = result.totals.latency_ms["lag"]
    shown = {"min": lag.min, "p50": lag.p50, "p99": lag.p99, "p99_9": lag.p99_9, "max": lag.max}
    late_us = {name: None if value is None else round(value * 1e3, 1) for name, value in shown.items()}
    times = np.sort(arrived[:, 1])
    matched = arrived[(arrived[:, 0] >= 0) & (arrived[:, 0] < len(dues))]
    begun_ns = int(datetime.fromisoformat(result.run.started_at).timestamp() * 1000) * (NS_PER_S // 1000)
    outside = matched[:, 1] + seen.offset_ns - begun_ns - dues[matched[:, 0]]
    planned_span, span = int(dues[-1] - dues[0]), int(times[-1] - times[0])
    spread_us = [round(float(value) / 1e3, 1) for value in np.quantile(outside - outside.min(), (0.5, 0.99))]
    tests = {
        "planned": kolmogorov_smirnov(np.diff(dues) / NS_PER_S, rate),
        "arrived": kolmogorov_smirnov(np.diff(times) / NS_PER_S, rate),
    }
    return {
        "planned": len(dues),
        "sent": result.totals.sent,
        "verified": seen.verified,
        "valid": result.validity.valid,
        "lag_us": late_us,
        "rate_planned": round((len(dues) - 1) / planned_span * NS_PER_S, 3),
        "rate_delivered": round((len(times) - 1) / span * NS_PER_S, 3),
        "rate_error": round((len(times) - 1) / span / ((len(dues) - 1) / planned_span) - 1, 7),
        "earliest_arrival_us": round(int(outside.min()) / 1e3, 1),
        "early": int(np.count_nonzero(outside < 0)),
        "arrival_spread_us": {"p50": spread_us[0], "p99": spread_us[1]},
        "ks": {name: {"d": round(d, 5), "p": round(p, 4)} for name, (d, p) in tests.items()},
    }
