"""Connections of the bare engine that keep all header fields."""

from __future__ import annotations

from loadsim.receiver.bare_connection import Connection, SlowConnection
from loadsim.receiver.kept_fields import KeptFields


class KeepingConnection(Connection):
    """A connection whose requests have KeptFields as their headers."""

    def on_url(self, url: bytes) -> None:
        is_new = self._request is None
        super().on_url(url)
        if is_new and self._request is not None:
            self._request.headers = KeptFields([])

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is not None and request.in_head and isinstance(request.headers, KeptFields):
            request.headers.fields.append((name, value))
        super().on_header(name, value)


class SlowKeepingConnection(SlowConnection, KeepingConnection):
    """The same, read slowly."""
