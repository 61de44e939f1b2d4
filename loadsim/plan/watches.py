"""`[[watch]]` of a scenario: figures of the endpoint's own that are read beside the run, once a second.

`run.watch` reads them while the run goes on, until nothing is waited for any more.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

import msgspec

from loadsim.model import NS_PER_S
from loadsim.plan.headers import Headers
from loadsim.plan.typed_document import DocumentError, suggestion

EVERY_NS = NS_PER_S
"""The time between two readings of a watch."""
MOST_WATCHES = 32
"""Most watches of a run: more would cost this process, and the endpoint, too much."""
Reading = Literal["gauge", "rate", "p99"]
"""How a series comes from what is read: as it is, as its growth per second, or as percentile 99 of what its buckets
counted since the reading before."""
PROCESS_METRICS: dict[str, tuple[Reading, str]] = {
    "cpu": ("rate", "cores"),
    "rss": ("gauge", "bytes"),
    "descriptors": ("gauge", ""),
    "threads": ("gauge", ""),
}
"""What is known of a process: how it is read, and its unit."""
_METRIC_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*", re.ASCII)
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_UNNAMEABLE = re.compile(r"[{},\x00-\x1f\x7f]")
_SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created")
_UNITS = {"seconds": "s", "bytes": "bytes"}
"""The units that names of metrics end in (Prometheus: "Metric and label naming"), as they are shown."""


class Watch(msgspec.Struct, frozen=True, kw_only=True, rename={"as_": "as"}):
    """A figure of the endpoint's own that is read once a second beside the run, from one of `url`, `sql` and `pid`."""

    name: str
    """The series in reports and in objectives (`watch{name:NAME}`). For example `"queue_depth"`."""
    url: str | None = None
    """A page of metrics in Prometheus' or OpenMetrics' text format. For example `"https://example.test/metrics"`."""
    sql: str | None = None
    """A query that gives one number. For example `"SELECT count(*) FROM jobs WHERE done_at IS NULL"`."""
    pid: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """A process of this machine; its children are counted with it. For example `4711`."""
    metric: str | None = None
    """With `url`: the name of the metric. With `pid`: cpu, rss, descriptors or threads (default: each of them, as
    NAME.cpu and so on). For example `"jobs_waiting"`."""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    """With `url`: labels that the one sample that is meant has, among others. For example `{ queue = "mail" }`."""
    as_: Reading | None = None
    """How it is read: "gauge" (as it is), "rate" (the growth of a counter per second), or "p99" (of a histogram's
    buckets, since the reading before) (default: "gauge"). For example `"rate"`."""
    headers: Headers = msgspec.field(default_factory=dict)
    """With `url`: headers of the request. "env:NAME" reads a variable. For example `{ Authorization =
    "env:METRICS_TOKEN" }`."""
    dsn_env: str | None = None
    """With `sql`: the environment variable with the URL of the database. For example `"WATCH_DSN"`."""

    @property
    def kind(self) -> Literal["url", "sql", "pid"]:
        """What is read."""
        return "url" if self.url is not None else "sql" if self.sql is not None else "pid"


class SeriesName(NamedTuple):
    """One series that a watch gives."""

    name: str
    reading: Reading
    unit: str
    """`s`, `bytes`, `cores`, or empty; a rate is of so many per second."""
    part: str
    """Of a process: which of PROCESS_METRICS; else empty."""


_KEYS = {"url": ("metric", "labels", "as_", "headers"), "sql": ("dsn_env", "as_"), "pid": ("metric",)}
"""The further keys of each kind."""
_NEEDED = {"url": ("metric",), "sql": ("dsn_env",), "pid": ()}


def series_of(watch: Watch) -> tuple[SeriesName, ...]:
    """The series of a watch: of a process without `metric` several, otherwise one."""
    if watch.kind == "pid":
        wanted = PROCESS_METRICS if watch.metric is None else {watch.metric: PROCESS_METRICS[watch.metric]}
        return tuple(
            SeriesName(watch.name if watch.metric else f"{watch.name}.{part}", reading, unit, part)
            for part, (reading, unit) in wanted.items()
        )
    return (SeriesName(watch.name, watch.as_ or "gauge", unit_of_metric(watch.metric or ""), ""),)


def series_names(watches: tuple[Watch, ...]) -> tuple[str, ...]:
    """The names of all series, in order."""
    return tuple(series.name for watch in watches for series in series_of(watch))


def unit_of_metric(metric: str) -> str:
    """The unit that the name of a metric ends in; empty without a known one."""
    return _UNITS.get(stem(metric).rpartition("_")[2], "")


def stem(metric: str) -> str:
    """The name of a metric's family: without `_total`, `_bucket` and the like."""
    for suffix in _SUFFIXES:
        if metric.endswith(suffix) and metric != suffix:
            return metric.removesuffix(suffix)
    return metric


def check_watches(watches: tuple[Watch, ...]) -> None:
    """Rules between the keys, and between watches. Those of URLs, headers and variables are elsewhere."""
    if len(watches) > MOST_WATCHES:
        raise DocumentError("watch", f"there are {len(watches)}, {MOST_WATCHES} are possible")
    for number, watch in enumerate(watches):
        _check_keys(f"watch[{number}]", watch)
    names: set[str] = set()
    for number, watch in enumerate(watches):
        for series in series_of(watch):
            if series.name in names:
                raise DocumentError(f"watch[{number}].name", f'another series is called "{series.name}"')
            names.add(series.name)


def _check_keys(path: str, watch: Watch) -> None:
    if not watch.name.strip() or watch.name != watch.name.strip() or _UNNAMEABLE.search(watch.name):
        raise DocumentError(f"{path}.name", "must be a text without braces, commas and control characters")
    given = [kind for kind in _KEYS if getattr(watch, kind) is not None]
    if len(given) != 1:
        raise DocumentError(path, f"needs one of url, sql and pid{', not ' + ' and '.join(given) if given else ''}")
    for kind, keys in _KEYS.items():
        for key in keys:
            if key not in _KEYS[watch.kind] and getattr(watch, key):
                raise DocumentError(f"{path}.{key.rstrip('_')}", f"goes with {kind} only")
    for key in _NEEDED[watch.kind]:
        if not getattr(watch, key):
            raise DocumentError(f"{path}.{key}", f"is needed with {watch.kind}")
    if watch.kind == "pid" and watch.metric is not None and watch.metric not in PROCESS_METRICS:
        hint = suggestion(watch.metric, PROCESS_METRICS)
        raise DocumentError(f"{path}.metric", f'"{watch.metric}" is not known of a process{hint}')
    if watch.kind == "url":
        _check_sample(path, watch)
    if watch.kind == "sql" and not (watch.sql or "").strip():
        raise DocumentError(f"{path}.sql", "is empty")
    if watch.kind == "sql" and watch.as_ == "p99":
        raise DocumentError(f"{path}.as", '"p99" needs buckets, which a query does not give: use "gauge" or "rate"')


def _check_sample(path: str, watch: Watch) -> None:
    if _METRIC_NAME.fullmatch(watch.metric or "") is None:
        raise DocumentError(f"{path}.metric", "is not the name of a metric: letters, digits, _ and :")
    for label in watch.labels:
        if _LABEL_NAME.fullmatch(label) is None:
            raise DocumentError(f"{path}.labels", "a name of a label has letters, digits and _ only")
    if watch.as_ == "p99" and "le" in watch.labels:
        raise DocumentError(f"{path}.labels.le", 'is the bound of a bucket: all of them make the "p99"')
