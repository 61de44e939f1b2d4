"""The URL of `--otlp`, and whether OpenTelemetry is installed."""

from __future__ import annotations

import importlib.util
from urllib.parse import urlsplit, urlunsplit

from loadsim.extras import install
from loadsim.model import UsageError
from loadsim.plan.scenario_rules import check_url, with_scheme
from loadsim.plan.typed_document import DocumentError

METRICS, TRACES = "/v1/metrics", "/v1/traces"
"""What is appended to the URL for each signal (OTLP specification, "OTLP/HTTP Request")."""
_EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def otlp_url(text: str) -> str:
    """The URL of a collector as a user wrote it, checked. Raises UsageError, which never repeats it."""
    url = with_scheme(text)
    try:
        check_url("--otlp", url, example="http://localhost:4318")
    except DocumentError as error:
        raise UsageError(str(error)) from None
    if urlsplit(url).path.rstrip("/").endswith((METRICS, TRACES)):
        raise UsageError(f"--otlp: give the URL without {METRICS} or {TRACES}, which are appended to it")
    if not _installed():
        raise UsageError(f"--otlp needs OpenTelemetry's SDK and exporter: {install('otel')}")
    return url


def signal_url(url: str, path: str) -> str:
    """The URL of one signal, METRICS or TRACES."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, parts.query, ""))


def _installed() -> bool:
    try:
        return importlib.util.find_spec(_EXPORTER) is not None and bool(
            importlib.util.find_spec("opentelemetry.sdk.metrics")
        )
    except ModuleNotFoundError:
        return False
