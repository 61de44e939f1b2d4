"""The source of effects that a scenario's `[effects]` names."""

from __future__ import annotations

from loadsim.model import UsageError
from loadsim.plan.effects import Effects
from loadsim.run.effects.source import Source
from loadsim.secret_sources import resolve_headers


def source_of(effects: Effects, run: str, began_ns: int, url: str | None = None) -> Source:
    """The source of a scenario's effects, for a run that begins at `began_ns` (ns since 1970).

    `url`: that of the embedded receiver, where it is the source. Raises UsageError where a variable or a package is
    missing.
    """
    if effects.source == "sql":
        from loadsim.run.effects.sql_source import SqlSource

        return SqlSource(effects, began_ns)
    if effects.source == "file":
        from loadsim.run.effects.file_source import FileSource

        return FileSource(effects)
    from loadsim.run.effects.http_source import HttpSource

    address = effects.url or url
    if address is None:
        raise UsageError("effects.url: is needed: the target is not the embedded receiver")
    return HttpSource(address, resolve_headers(effects.headers), run)
