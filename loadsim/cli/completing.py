"""Values that a shell completes: events, schemes, scenarios, endpoints, stored results.

click calls these functions when Tab is pressed. They import what they need then, and never fail: a `loadsim.toml` with
an error in it completes nothing, and the command itself says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
"""What click's `shell_complete` is."""
Value = tuple[str, str]
"""A value and what it is, in a few words."""


def schemes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The signature schemes."""
    from loadsim.signing import scheme, scheme_names

    return beginning(incomplete, ((name, scheme(name).title) for name in scheme_names()))


def events(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The event types, by their full names."""
    from loadsim.events import catalogue

    return beginning(incomplete, ((event.name, event.description) for event in catalogue()))


def shipped(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The scenarios that come with loadsim."""
    return beginning(incomplete, _shipped())


def documents(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The JSON documents that commands print."""
    from loadsim.cli.json_documents import DOCUMENTS, short_name

    return beginning(incomplete, ((short_name(name), ", ".join(each.commands)) for name, each in DOCUMENTS.items()))


def endpoints(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The endpoints of `loadsim.toml`."""
    return beginning(incomplete, _endpoints())


def targets(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The endpoints, and the embedded receiver."""
    return beginning(incomplete, [*_endpoints(), *_embedded()])


def scenarios(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shipped scenarios, or files."""
    return beginning(incomplete, _shipped()) or files(incomplete)


def loads(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a load can be run from: endpoints, the embedded receiver, shipped scenarios; or files."""
    named = dict([*_shipped(), *_embedded(), *_endpoints()])
    return beginning(incomplete, named.items()) or files(incomplete)


def beginning(incomplete: str, values: Iterable[Value]) -> list[CompletionItem]:
    """The values that begin so."""
    return [CompletionItem(value, help=what) for value, what in values if value.startswith(incomplete)]


def files(incomplete: str) -> list[CompletionItem]:
    """Has the shell complete file names. bash then shows nothing else, so names of ours come without it."""
    return [CompletionItem(incomplete, type="file")]


def _shipped() -> Iterator[Value]:
    from loadsim.shipped import shipped_scenarios

    return ((each.name, each.question) for each in shipped_scenarios().scenarios)


def _embedded() -> list[Value]:
    from loadsim.plan import EMBEDDED

    return [(EMBEDDED, "the companion receiver")]


def _endpoints() -> list[Value]:
    from loadsim.model import LoadsimError
    from loadsim.plan.redact import redact_url
    from loadsim.settings import load_config

    try:
        return [(name, redact_url(endpoint.url)) for name, endpoint in load_config().endpoints.items()]
    except LoadsimError:
        return []
