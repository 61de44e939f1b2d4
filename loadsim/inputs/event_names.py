"""Finds the scheme for the given event types, and the full names of event types given without prefix.

Without a given scheme, it follows from the events. With one, its events need no prefix: `charge.succeeded` under
`stripe` is `stripe.charge.succeeded`.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.events import catalogue
from loadsim.model import UsageError
from loadsim.plan import Target
from loadsim.signing import family, scheme


def settled(target: Target, types: Sequence[str], *, names_scheme: bool) -> tuple[str, tuple[str, ...]]:
    """The scheme that signs events of these types for the target, and the types by their full names.

    `names_scheme`: the target's scheme was given, so it is not changed. Raises UsageError for events of several
    providers without a given scheme. An unknown type is returned unchanged.
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
    """The catalogue's name of an event type that is given without its provider. Schemes are tried in the given
    order."""
    known = {each.name for each in catalogue()}
    if name in known:
        return name
    return next((found for each in schemes if (found := f"{each}.{name}") in known), name)
