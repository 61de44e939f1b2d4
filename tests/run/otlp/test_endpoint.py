"""The URL of `--otlp`."""

from __future__ import annotations

import importlib.util

import pytest

from loadsim.model import UsageError
from loadsim.run.otlp.endpoint import METRICS, TRACES, otlp_url, signal_url


@pytest.mark.parametrize(
    ("given", "metrics"),
    [
        ("localhost:4318", "http://localhost:4318/v1/metrics"),
        ("http://localhost:4318/", "http://localhost:4318/v1/metrics"),
        ("https://otlp.example.test/otlp", "https://otlp.example.test/otlp/v1/metrics"),
        ("https://otlp.example.test/a/?key=1", "https://otlp.example.test/a/v1/metrics?key=1"),
    ],
)
def test_the_path_of_each_signal_is_appended(given: str, metrics: str) -> None:
    url = otlp_url(given)
    assert signal_url(url, METRICS) == metrics
    assert signal_url(url, TRACES) == metrics.replace("metrics", "traces")


@pytest.mark.parametrize("given", ["", "ftp://hidden", "http://", "http://hidden:0", "http://hid den", "hidden"])
def test_what_is_no_url_is_one_line_that_does_not_repeat_it(given: str) -> None:
    with pytest.raises(UsageError, match=r"^--otlp: ") as caught:
        otlp_url(given)
    assert "hid" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [METRICS, TRACES])
def test_the_url_of_one_signal_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="without /v1/metrics or /v1/traces"):
        otlp_url(f"http://localhost:4318{path}/")


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    with pytest.raises(UsageError, match=r"pip install 'loadsim\[otel\]'"):
        otlp_url("localhost:4318")
