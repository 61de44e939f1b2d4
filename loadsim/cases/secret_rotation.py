"""Which scenarios rotate the secret, and when a receiver that was started for the run stops accepting the old one."""

from __future__ import annotations

import itertools

from loadsim.plan import Scenario


def retirement_ns(scenario: Scenario) -> int | None:
    """When an embedded receiver stops accepting the old secret, ns since the start; None: never.

    It is halfway between the end of the last phase that signs with the old secret and the begin of the next phase that
    uses it for forged events (or the end). So the last genuine events are still accepted, and the first forged ones are
    already refused.
    """
    ends = list(itertools.accumulate(phase.duration or 0 for phase in scenario.phases))
    signs = [number for number, phase in enumerate(scenario.phases) if phase.secrets != "new"]
    last = ends[signs[-1]] if signs else 0
    base = {case.kind: case.share for case in scenario.cases}
    tries = [
        end - (phase.duration or 0)
        for end, phase in zip(ends, scenario.phases, strict=True)
        if (base | phase.shares).get("retired_secret") and end > last
    ]
    if not signs and not tries:
        return None
    return (last + (tries[0] if tries else ends[-1])) // 2


def needs_old_secret(scenario: Scenario) -> bool:
    """Whether any event is signed with the old secret."""
    rotates = any(phase.secrets != "new" for phase in scenario.phases)
    return rotates or any(case.kind == "retired_secret" for case in scenario.cases)
