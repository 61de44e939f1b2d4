"""What to install where an extra of the package is missing, in one form for every message."""

from __future__ import annotations

from typing import Literal

Extra = Literal["asgi", "asymmetric", "dashboard", "dask", "http2", "interop", "otel", "report", "sql", "watch"]
"""Those that a command or a page asks for."""


INSTALL = "pip install 'loadsim[{extra}]'"
NOT_FOR_USERS = ("dev", "docs", "test")
"""Extras for those who change loadsim."""
PURPOSES = {
    "asgi": "bench receiver --app of an ASGI application",
    "asymmetric": "schemes that sign with a key pair (Ed25519, ECDSA, RSA) or send a JSON Web Token",
    "dashboard": "loadsim dashboard, run --live",
    "dask": "load from several machines: --cluster",
    "http2": "events over HTTP/2: --http2",
    "interop": "bench verify beside the providers' own libraries",
    "otel": "metrics and spans of a run for an OpenTelemetry collector: --otlp",
    "report": "charts in report.html",
    "sql": 'effects in a database: [effects] source = "sql"',
    "watch": "metrics of the endpoint beside a run: [[watch]] url",
}
"""What a user can do with an extra."""


def install(extra: Extra) -> str:
    """The command that installs an extra."""
    return INSTALL.format(extra=extra)
