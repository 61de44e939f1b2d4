"""Makes the policies that a plan needs, with one timer for them and the engine."""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.cases import RequestMaker
from loadsim.engine.pacer import Pacer, SharedPacer
from loadsim.engine.policy_interface import Policy
from loadsim.engine.retry_policy import MOST_HELD, Retries
from loadsim.engine.volley_policy import Volleys
from loadsim.plan import Plan


@dataclass(frozen=True)
class Policies:
    """The policies of one shard; None for a kind that the plan does not need."""

    pacer: Pacer
    """What is left of the given one for the engine."""
    retries: Retries | None = None
    volleys: Volleys | None = None

    @property
    def all(self) -> tuple[Policy, ...]:
        """What the engine is given."""
        return tuple(policy for policy in (self.retries, self.volleys) if policy is not None)


def policies_of(
    plan: Plan,
    maker: RequestMaker,
    pacer: Pacer,
    *,
    shard: int = 0,
    shards: int = 1,
    epoch_ns: int | None = None,
    most_held: int = MOST_HELD,
) -> Policies:
    """The policies of a shard of this plan; `pacer` is shared by them and the engine."""
    volleys = Volleys(plan, maker) if any(case.copies for case in plan.scenario.cases) else None
    if plan.scenario.retry is None:
        return Policies(pacer, None, volleys)
    shared = SharedPacer(pacer)
    own = shared.part()
    retries = Retries(plan, maker, shared.part(), shard=shard, shards=shards, epoch_ns=epoch_ns, most_held=most_held)
    return Policies(own, retries, volleys)
