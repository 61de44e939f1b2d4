"""Whether a run is long enough for its objectives, and the run made shorter (`--scale`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from loadsim.judge.enough_events import why_unsupported
from loadsim.judge.scaled_runs import asks_for_many
from loadsim.launch.result_of_frames import stratum_names
from loadsim.model import Objective, UsageError
from loadsim.plan import RunSpec
from loadsim.plan.scaled import scaled


def unsupported(spec: RunSpec) -> Iterator[tuple[Objective, str]]:
    """The objectives for which the plan has too few events, whatever comes of them, each with the reason."""
    plan = spec.plan()
    names = stratum_names(plan)
    for objective in spec.objectives:
        why = why_unsupported(objective, plan, names)
        if why:
            yield objective, why


def check_sizes(spec: RunSpec) -> None:
    """Refuse an objective that the plan cannot support. Raises UsageError."""
    for objective, why in unsupported(spec):
        raise UsageError(
            f"objective {objective.text!r}: this run can never support it: {why}; plan more events, or take a "
            "lower percentile"
        )


def scaled_spec(spec: RunSpec, scale: float) -> RunSpec:
    """The same run at `scale` (0 < scale <= 1) of its length. Raises UsageError.

    No objective ends it early that only a run of full length can meet.
    """
    try:
        scenario = scaled(spec.scenario, scale)
    except ValueError as error:
        raise UsageError(f"--scale: {error}") from None
    objectives = tuple(replace(each, abort=False) if asks_for_many(each) else each for each in spec.objectives)
    return msgspec.structs.replace(spec, scenario=scenario, objectives=objectives, scale=scale)
