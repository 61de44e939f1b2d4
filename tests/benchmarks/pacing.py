"""Pacing: how late events are released, beside a bare timer; whether the asked rate is delivered; what an event costs.

    python -m tests.benchmarks.pacing

`loadsim run` in the open model, on a core of its own, against the companion receiver's bare engine, which verifies
every event and notes when it arrived (`pacing_run`). Each rate is run with constant and with Poisson arrivals.

How late any program is woken depends on kernel, hypervisor and neighbours. So at the rates of BEYOND_US a witness runs
in turns with loadsim, on the same core, for the same due times: a timer and nothing else (`bare_timer`). What was asked
of loadsim is asked beyond that witness; the absolute figures stand beside it. Where the compiled step was built, runs
with it take turns with those without. Several rounds, each with all, every other one in reverse order; lateness of each
is the median of the rounds.

Gaps of arrivals are held against the exponential distribution where the mean gap is at least 1 ms, for in shorter ones
tens of microseconds of jitter of generator, kernel and receiver are plainly seen; planned gaps at every rate.

Then the CPU time of an event in the open model against the closed one (`open_cost`).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import bare_timer, common, open_cost, pacing_run
from tests.benchmarks.common import Cores
from tests.benchmarks.pacing_run import Ints

RATES = (100, 1_000, 5_000, 20_000)
ARRIVALS = ("constant", "poisson")
BEYOND_US: Mapping[int, float] = {5_000: 100.0, 20_000: 300.0}
"""Rate → how much later than the bare timer's loadsim's lag p99 may be."""
RATE_ERROR = 0.001
KS_LEAST_P = 0.01
LONG_GAP_S = 0.001
Rows = Sequence[Mapping[str, Any]]


# -- measuring ------------------------------------------------------------------------------------------------------


def measure(cores: Cores, rate: int, arrivals: str, seconds: int, rounds: int) -> list[dict[str, Any]]:
    """The rows of one rate, without the compiled step and with it: `rounds` runs of each with as many of the bare timer
    where it is held against that, else one run without it."""
    timers = []
    runs: dict[bool, list[dict[str, Any]]] = {pure: [] for pure in common.paths()}

    def loadsim(pure: bool) -> None:
        runs[pure].append(pacing_run.run(cores, rate, arrivals, seconds, pure=pure))

    def timer() -> None:
        dues = pacing_run.planned_dues(pacing_run.scenario_text("http://127.0.0.1:9/", rate, arrivals, seconds))
        timers.append(lateness_us(bare_timer.lateness(cores.generator, dues)))

    if rate not in BEYOND_US:
        loadsim(True)
    else:
        turns: list[Callable[[], None]] = [timer, *(partial(loadsim, pure) for pure in runs)]
        for number in range(rounds):
            for turn in reversed(turns) if number % 2 else turns:
                turn()
    return [row_of(rate, arrivals, found, timers, pure=pure) for pure, found in runs.items() if found]


def lateness_us(late_ns: Ints) -> dict[str, float]:
    """Percentiles and the greatest of a bare timer's lateness, µs: each is one of the figures, none between two."""
    p50, p99, high = np.quantile(late_ns, (0.5, 0.99, 1.0), method="inverted_cdf")
    return {"p50": round(p50 / 1e3, 1), "p99": round(p99 / 1e3, 1), "max": round(high / 1e3, 1)}


def row_of(rate: int, arrivals: str, runs: Rows, timers: Rows, *, pure: bool = True) -> dict[str, Any]:
    """Medians of lateness over the rounds; `beyond_us` is how much later than the bare timer's the lag p99 is."""
    lag, timer = _medians([run["lag_us"] for run in runs]), _medians(timers) if timers else None
    beyond = None
    if timer is not None and lag["p99"] is not None:
        beyond = round(lag["p99"] - timer["p99"], 1)
    return {
        "rate": rate,
        "arrivals": arrivals,
        "pure": pure,
        "lag_us": lag,
        "bare_timer_us": timer,
        "beyond_us": beyond,
        "runs": list(runs),
        "bare_timers": list(timers),
    }


def _medians(rounds: Rows) -> dict[str, Any]:
    """Of each figure; None where a round has none."""
    found = {name: [figures[name] for figures in rounds] for name in rounds[0]}
    return {name: None if None in values else round(statistics.median(values), 1) for name, values in found.items()}


# -- what was asked -------------------------------------------------------------------------------------------------


def verdicts(rows: Rows) -> dict[str, bool | None]:
    """What was asked for, and whether it was met; None where no row says."""

    def every(found: list[bool]) -> bool | None:
        return all(found) if found else None

    def runs_of(*arrivals: str, least_gap_s: float = 0.0) -> Rows:
        return [
            run for row in rows if row["arrivals"] in arrivals and 1 / row["rate"] >= least_gap_s for run in row["runs"]
        ]

    runs, poisson = runs_of(*ARRIVALS), runs_of("poisson")
    beyond = {
        f"lag p99 at most {limit:g} µs above the bare timer's at {_named(rate, arrivals, pure=pure)}": every(
            [
                row["beyond_us"] is not None and row["beyond_us"] <= limit
                for row in rows
                if (row["rate"], row["arrivals"], row["pure"]) == (rate, arrivals, pure)
            ]
        )
        for rate, limit in BEYOND_US.items()
        for arrivals in ARRIVALS
        for pure in (True, False)
    }
    return {
        **beyond,
        f"delivered rate within {RATE_ERROR:.1%} of the plan's": every(
            [abs(run["rate_error"]) <= RATE_ERROR for run in runs]
        ),
        "every planned event was sent once and verified": every(
            [run["planned"] == run["sent"] == run["verified"] for run in runs]
        ),
        "nothing was early": every([run["early"] == 0 and (run["lag_us"]["min"] or 0) >= 0 for run in runs]),
        "planned Poisson gaps are exponential": every([run["ks"]["planned"]["p"] >= KS_LEAST_P for run in poisson]),
        "arrived Poisson gaps are exponential (mean gap 1 ms or more)": every(
            [run["ks"]["arrived"]["p"] >= KS_LEAST_P for run in runs_of("poisson", least_gap_s=LONG_GAP_S)]
        ),
    }


# -- the page -------------------------------------------------------------------------------------------------------


def markdown(found: Mapping[str, Any]) -> str:
    """The page."""
    answers = {True: "yes", False: "no", None: "not measured"}
    return "\n".join(
        (
            "# Pacing\n",
            f"{common.environment_note(found['environment'])} {found['noise']}\n",
            (
                f"Open model, {found['seconds']} s per run, against the companion receiver on another core. Bare "
                "timer: a loop that only waits for the same due times, in turns with loadsim on the same core; medians "
                f"of {found['rounds']} rounds. How each figure is taken is described in `tests/benchmarks/pacing.py`.\n"
            ),
            _lateness_table(found["rows"]),
            _delivery_table(found["rows"]),
            open_cost.section(found["costs"]),
            "## Asked and met\n",
            common.table(("asked", "met"), [(asked, answers[met]) for asked, met in found["verdicts"].items()]),
        )
    )


def _lateness_table(rows: Rows) -> str:
    names = ("p50", "p99", "max")
    head = (
        "arrivals",
        *(f"lag {name}" for name in names),
        *(f"bare timer {name}" for name in names),
        "p99 above it",
        "limit",
    )
    lines = []
    for row in rows:
        cells = [_us(row["lag_us"][name]) for name in names]
        if row["bare_timer_us"] is None:
            cells += [""] * 5
        else:
            cells += [_us(row["bare_timer_us"][name]) for name in names]
            cells += [_us(row["beyond_us"]), _us(BEYOND_US[row["rate"]])]
        lines.append((_name_of(row), *cells))
    return common.table(head, lines)


def _named(rate: int, arrivals: str, *, pure: bool) -> str:
    return f"{rate:,}/s, {arrivals}" + ("" if pure else f", {common.STEP}")


def _name_of(row: Mapping[str, Any]) -> str:
    return _named(row["rate"], row["arrivals"], pure=row["pure"])


def _us(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.0f} µs"


def _delivery_table(rows: Rows) -> str:
    """Of all runs of a rate: what the run delivered that is furthest off, the lowest p, all that were early."""
    head = ("arrivals", "planned/s", "delivered/s", "off by", "early", "KS p, planned", "KS p, arrived")
    lines = []
    for row in rows:
        worst = max(row["runs"], key=lambda run: abs(run["rate_error"]))
        rates = (f"{worst['rate_planned']:,.1f}", f"{worst['rate_delivered']:,.1f}", f"{worst['rate_error']:+.4%}")
        tests = [
            f"{min(run['ks'][name]['p'] for run in row['runs']):.3f}" if row["arrivals"] == "poisson" else ""
            for name in ("planned", "arrived")
        ]
        early = sum(run["early"] for run in row["runs"])
        lines.append((_name_of(row), *rates, str(early), *tests))
    return common.table(head, lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="length of a run (default 20)")
    parser.add_argument("--rounds", type=int, default=5, help="beside the bare timer, and of the cost (default 5)")
    parser.add_argument("--rates", type=int, nargs="+", default=list(RATES), help="events per second")
    parser.add_argument("--cost-seconds", type=int, default=5, help="length of a run whose cost is taken (default 5)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where pacing.json and .md go")
    given = parser.parse_args()
    if given.seconds < 1 or min(given.rates) * given.seconds < 10 or given.rounds < 1 or given.cost_seconds < 1:
        parser.error("give rates and seconds that make at least 10 events, and at least one round")
    if lack := common.missing(*open_cost.PROGRAMS):
        raise SystemExit(lack)
    cores = common.share_out()
    rows = []
    for rate in given.rates:
        for arrivals in ARRIVALS:
            for row in measure(cores, rate, arrivals, given.seconds, given.rounds):
                rows.append(row)
                beyond = "" if row["beyond_us"] is None else f", {row['beyond_us']} µs above the bare timer's"
                common.say(f"{_name_of(row)}: lag p99 {row['lag_us']['p99']} µs{beyond}")
    costs = [open_cost.measure(cores, given.rounds, given.cost_seconds, pure=pure) for pure in common.paths()]
    found = {
        "environment": common.environment(),
        "noise": common.noise_note([run["noise"] for row in rows for run in row["runs"]]),
        "seconds": given.seconds,
        "rounds": given.rounds,
        "rows": rows,
        "costs": costs,
        "verdicts": {
            **verdicts(rows),
            **{asked: met for cost in costs for asked, met in open_cost.verdicts(cost).items()},
        },
    }
    text = markdown(found)
    print(text)
    common.write(given.out, "pacing", found, md=text)


if __name__ == "__main__":
    main()
