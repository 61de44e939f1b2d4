"""One sample is found in pages that prometheus-client writes, in both formats, and in pages that anybody may write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.watch_values import Buckets
from loadsim.plan.watches import Watch
from loadsim.run.effects.source import GapError
from loadsim.run.watch.metrics_text import MOST_LINES, OPENMETRICS, value_of

prometheus_client = pytest.importorskip("prometheus_client")
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary  # noqa: E402
from prometheus_client.exposition import generate_latest  # noqa: E402
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics  # noqa: E402

TEXT = "text/plain"


def watch(metric: str, labels: dict[str, str] | None = None, **more: Any) -> Watch:
    return Watch(name="n", url="http://127.0.0.1/metrics", metric=metric, labels=labels or {}, **more)


@pytest.fixture(params=[TEXT, OPENMETRICS])
def pages(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    """A page with metrics of every kind."""
    registry = CollectorRegistry()
    depth = Gauge("queue_depth", "Waiting.", ["queue", "zone"], registry=registry)
    depth.labels("mail", "a").set(42)
    depth.labels("mail", "b").set(43)
    depth.labels('o"d\\d\n', "c").set(-1.5)
    Gauge("queue_depth_limit", "Its name begins with another's.", registry=registry).set(1000)
    Counter("requests", "Handled.", ["status"], registry=registry).labels("200").inc(17)
    took = Histogram("took_seconds", "Work.", ["job"], buckets=(0.1, 1.0), registry=registry)
    for value in (0.05, 0.5, 0.6, 7.0):
        took.labels("mail").observe(value)
    took.labels("text").observe(0.05)
    Summary("size_bytes", "Sizes.", registry=registry).observe(12)
    made: bytes = (generate_openmetrics if request.param == OPENMETRICS else generate_latest)(registry)
    return made, request.param


@pytest.mark.parametrize(
    ("metric", "labels", "value"),
    [
        ("queue_depth", {"queue": "mail", "zone": "b"}, 43.0),
        ("queue_depth", {"queue": 'o"d\\d\n'}, -1.5),
        ("queue_depth_limit", {}, 1000.0),
        ("requests_total", {}, 17.0),
        ("requests", {"status": "200"}, 17.0),
        ("took_seconds_count", {"job": "mail"}, 4.0),
        ("size_bytes_sum", {}, 12.0),
        ("took_seconds_bucket", {"job": "mail", "le": "1.0"}, 3.0),
    ],
)
def test_the_one_sample_that_is_meant(
    pages: tuple[bytes, str], metric: str, labels: dict[str, str], value: float
) -> None:
    assert value_of(*pages, watch(metric, labels)) == value


@pytest.mark.parametrize("metric", ["took_seconds", "took_seconds_bucket"])
def test_buckets_of_one_histogram(pages: tuple[bytes, str], metric: str) -> None:
    found = value_of(*pages, watch(metric, {"job": "mail"}, as_="p99"))
    assert found == Buckets((0.1, 1.0, float("inf")), (1.0, 3.0, 4.0))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (watch("queue_dept"), "the page has no metric queue_dept"),
        (watch("queue_depth", {"queue": "post"}), '; its labels are {queue="mail",zone="a"}; {queue="mail",zone="b"}'),
        (watch("queue_depth", {"mail": "queue"}), 'the page has no metric queue_depth{mail="queue"}; its labels are'),
        (watch("queue_depth"), '3 samples have the metric queue_depth: queue=mail|o"d\\d\n, zone=a|b|c; give labels'),
        (watch("queue_depth", {"queue": "mail"}), "zone=a|b; give labels of one"),
        (watch("took_seconds", as_="p99"), "several histograms have the metric took_seconds_bucket: job=mail|text"),
        (watch("queue_depth_limit", as_="p99"), "the page has no metric queue_depth_limit_bucket"),
    ],
)
def test_none_or_several_is_one_line(pages: tuple[bytes, str], asked: Watch, said: str) -> None:
    with pytest.raises(GapError) as caught:
        value_of(*pages, asked)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "page",
    [
        b"m",
        b"m{",
        b'm{a="b" 1',
        b"m one",
        b"m 1 2 3 4 x",
        b"m\xff 1",
        b'm{le="x"} 1',
        b"# TYPE m\nm{}",
        b'm{a="b",a="c"} 1',
    ],
)
@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_pages_that_are_none_are_gaps(page: bytes, content_type: str) -> None:
    for asked in (watch("m"), watch("m", as_="p99"), watch("m", {"a": "b"})):
        found = tried(page, content_type, asked)
        assert isinstance(found, float) or len(found) < 300, "the parsers take some of them"


def tried(page: bytes, content_type: str, asked: Watch) -> Any:
    """The value, or why there is none."""
    try:
        return value_of(page, content_type, asked)
    except GapError as error:
        return str(error)


@given(st.binary(max_size=200), st.sampled_from([TEXT, OPENMETRICS]))
def test_any_bytes_are_a_value_or_a_gap(rest: bytes, content_type: str) -> None:
    for page in (rest, b"m " + rest, b'm{a="' + rest, b"# TYPE m " + rest):
        for asked in (watch("m"), watch("m", as_="p99")):
            assert tried(page, content_type, asked) is not None


def test_buckets_without_the_infinite_one_or_twice_the_same() -> None:
    with pytest.raises(GapError, match='has no bucket le="\\+Inf"'):
        value_of(b'm_bucket{le="1"} 1\n', TEXT, watch("m", as_="p99"))
    with pytest.raises(GapError, match="several histograms"):
        value_of(b'm_bucket{le="+Inf"} 1\nm_bucket{le="+Inf"} 2\n', TEXT, watch("m", as_="p99"))


def test_very_many_samples_are_not_parsed() -> None:
    page = b"".join(b'm{n="%d"} 1\n' % number for number in range(MOST_LINES + 1))
    with pytest.raises(GapError, match="more than 2,000 samples of m: give labels"):
        value_of(page, TEXT, watch("m"))
    assert value_of(page, TEXT, watch("m", {"n": "7"})) == 1.0
