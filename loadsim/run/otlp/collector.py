"""Posts metrics and spans to a collector by OpenTelemetry's own exporters, and says in plain words why one failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from loadsim.model import UsageError
from loadsim.run.otlp.endpoint import METRICS, TRACES, signal_url

TIMEOUT_S = 2.0
"""The longest time for one batch, with what the exporters repeat."""


class _Noting(requests.Session):
    """A session that keeps why the latest request failed. What a collector answers is not shown, but its status.

    Redirects are not followed: headers of the environment, which are secrets, would go to another place.
    """

    why = ""
    taken = False
    """Whether what answered took the latest request as a collector does. The exporters believe any 2xx and 3xx."""

    def send(self, *args: object, **options: object) -> requests.Response:
        self.taken = False
        options["allow_redirects"] = False
        try:
            answer = super().send(*args, **options)  # type: ignore[arg-type]
        except requests.RequestException as error:
            self.why = _words(error)
            raise
        self.why = f"it answered {answer.status_code}"
        if 300 <= answer.status_code < 400:
            self.why += ", a redirect, which is not followed"
        elif answer.headers.get("Content-Type", "").startswith("text/html"):
            self.why += " with a page of HTML: it is no collector"
        else:
            self.taken = answer.ok
        return answer


class Collector:
    """The exporters of one run. Headers, certificates and compression come from OTEL_EXPORTER_OTLP_… of the
    environment, which the exporters read. Raises UsageError where they cannot use it."""

    def __init__(self, url: str) -> None:
        # The exporters log each failure, with the URL and what was answered; here it is what `take_…` returns.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._session = _Noting()
        try:
            self._metrics = OTLPMetricExporter(signal_url(url, METRICS), timeout=TIMEOUT_S, session=self._session)
            self._spans = OTLPSpanExporter(signal_url(url, TRACES), timeout=TIMEOUT_S, session=self._session)
        except Exception as error:  # noqa: BLE001 - its message may repeat a secret of the environment
            raise UsageError(
                f"--otlp: OpenTelemetry cannot use a variable OTEL_EXPORTER_OTLP_… ({type(error).__name__})"
            ) from None

    def take_metrics(self, data: MetricsData) -> str:
        """Post them; empty, or why they were not taken."""
        return self._posted(lambda: self._metrics.export(data) is MetricExportResult.SUCCESS)

    def take_spans(self, spans: Sequence[ReadableSpan]) -> str:
        """Post them; empty, or why they were not taken."""
        return self._posted(lambda: self._spans.export(spans) is SpanExportResult.SUCCESS)

    def close(self) -> None:
        """End what is under way, too."""
        self._metrics.shutdown()
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # of the library

    def _posted(self, export: Callable[[], bool]) -> str:
        self._session.why = ""
        try:
            exported = export() and self._session.taken
            return "" if exported else self._session.why or "OpenTelemetry could not send it"
        except Exception as error:  # noqa: BLE001 - older exporters raise; the message may repeat the URL
            return self._session.why or f"OpenTelemetry could not send it ({type(error).__name__})"


def _words(error: BaseException) -> str:
    """The reason below the layers of `requests` and `urllib3`, without a URL."""
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed: see OTEL_EXPORTER_OTLP_CERTIFICATE for a certificate of your own"
    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {TIMEOUT_S:g} s"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "it cannot be reached"
