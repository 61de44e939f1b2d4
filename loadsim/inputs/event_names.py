"""Which scheme signs the events that somebody names, and which events a scheme's user means.

Decides that the scheme follows from the events where nobody names one, and that a scheme's own events need no prefix:
`charge.succeeded` under `stripe` is `stripe.charge.succeeded`.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.events import catalogue
from loadsim.model import UsageError
from loadsim.plan import Target
from loadsim.signing import family, scheme


def settled(target: Target, types: Sequence[str], *, names_scheme: bool) -> tuple[str, tuple[str, ...]]:
    """The scheme that signs events of these types for the target, and the types by their full names.

    `names_scheme`: somebody chose the target's scheme, so it stays. Raises UsageError for events of several providers
    that nobody chose a scheme for. A type that is not known stays as it is.
    """
    schemes = family(scheme(target.scheme, target.custom)) if names_scheme else ()
    full = tuple(full_name(name, schemes) for name in types)
    if names_scheme:
        return target.scheme, full
    of_type = {each.name: each.scheme for each in catalogue()}
    providers = list(dict.fromkeys(of_type[name] for name in full if name in of_type))
    if len(providers) > 1:
        raise UsageError(
            f"these are events of {' and of '.join(providers)}: one scheme signs them all, so name it "
            "(--scheme, or scheme in [target])"
        )
    return (providers[0] if providers else target.scheme), full


def full_name(name: str, schemes: Sequence[str]) -> str:
    """What the catalogue calls an event type that is written without its provider, the nearest scheme's first."""
    known = {each.name for each in catalogue()}
    if name in known:
        return name
    return next((found for each in schemes if (found := f"{each}.{name}") in known), name)
