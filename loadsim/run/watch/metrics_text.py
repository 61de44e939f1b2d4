"""Finds one sample in a page of metrics, in Prometheus' or OpenMetrics' text format (by prometheus-client's parsers).

A page may have very many samples. Only the lines of the wanted metric are parsed: those are found by its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from loadsim.extras import install
from loadsim.measure.watch_values import Buckets, Raw
from loadsim.model import UsageError
from loadsim.plan.watches import Watch, stem
from loadsim.run.effects.source import GapError

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

OPENMETRICS = "application/openmetrics-text"
MOST_LINES = 2000
"""So many samples of one metric are parsed at most: it takes tens of milliseconds."""
_SHOWN = 3
_SUFFIXES = (b"", b"_total", b"_bucket", b"_count", b"_sum", b"_created", b"_info", b"_gsum", b"_gcount")
_TYPE = re.compile(rb"#\s*TYPE")


def require_parser() -> None:
    """Raise UsageError, in one line, where prometheus-client is not installed."""
    try:
        import prometheus_client.parser  # noqa: F401
    except ImportError:
        raise UsageError(f"watch: url needs prometheus-client: {install('watch')}") from None


def value_of(page: bytes, content_type: str, watch: Watch) -> Raw:
    """The value of a watch's metric on a page. Raises GapError, in one line, where there is none, or several."""
    metric = watch.metric or ""
    wanted = f"{stem(metric)}_bucket" if watch.as_ == "p99" else metric
    found = [
        sample
        for sample in _samples(page, content_type, metric, watch.labels)
        if watch.labels.items() <= sample.labels.items()
    ]
    exact = [sample for sample in found if sample.name == wanted]
    samples = exact or [sample for sample in found if sample.name == f"{metric}_total"]
    named = f"metric {wanted}{_shown(watch.labels)}"
    if not samples:
        raise GapError(f"the page has no {named}{_other_labels(page, content_type, watch)}")
    if watch.as_ == "p99":
        return _buckets(samples, named)
    if len(samples) > 1:
        raise GapError(f"{len(samples)} samples have the {named}: {_differing(samples)}; give labels of one")
    return float(samples[0].value)


def _samples(page: bytes, content_type: str, metric: str, labels: Mapping[str, str]) -> list[Sample]:
    """The samples of a metric's family that have these values as values of labels."""
    values = [_written(value) for name, value in labels.items() if name != "le"]  # OpenMetrics needs all buckets
    lines = list(_lines(page, stem(metric).encode(), values))
    if len(lines) > MOST_LINES:
        raise GapError(f"the page has more than {MOST_LINES:,} samples of {metric}: give labels")
    try:
        families = _families(b"\n".join(lines).decode("utf-8", "replace"), content_type)
        return [sample for family in families for sample in family.samples]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:  # as the parser's raise
        raise GapError(f"not a page of metrics: {' '.join(str(error).split())[:120]}") from None


def _families(text: str, content_type: str) -> Iterable[Any]:
    if content_type == OPENMETRICS:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

        found: Iterable[Any] = openmetrics_families(f"{text}\n# EOF\n" if text else "# EOF\n")  # type: ignore[no-untyped-call]
        return found
    from prometheus_client.parser import text_string_to_metric_families as families

    return families(text)


def _lines(page: bytes, family: bytes, values: list[bytes]) -> Iterator[bytes]:
    """The lines of a family: those about its type, and the samples that have these quoted values."""
    at = page.find(family)
    while at >= 0:
        begin = page.rfind(b"\n", 0, at) + 1
        end = page.find(b"\n", at)
        end = len(page) if end < 0 else end
        line = page[begin:end].rstrip(b"\r")
        before = page[begin:at].strip()
        rest = page[at + len(family) : end]
        meant = all(value in line for value in values) if not before else _TYPE.fullmatch(before) is not None
        if meant and _names_family(rest):
            yield line.strip()
        at = page.find(family, end)


def _names_family(rest: bytes) -> bool:
    """Whether a line that begins with the family's name is of that family, by what follows."""
    for suffix in _SUFFIXES:
        if rest.startswith(suffix) and rest[len(suffix) : len(suffix) + 1] in (b" ", b"\t", b"{"):
            return True
    return False


def _written(value: str) -> bytes:
    """The value of a label as a page has it."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'"{escaped}"'.encode()


def _buckets(samples: list[Sample], named: str) -> Buckets:
    """The buckets of one histogram."""
    rows: dict[float, float] = {}
    for sample in samples:
        try:
            bound = float(sample.labels.get("le", ""))
        except ValueError:
            raise GapError(f"a sample of the {named} has no bound (le)") from None
        if bound in rows:
            raise GapError(f"several histograms have the {named}: {_differing(samples)}; give labels of one")
        rows[bound] = float(sample.value)
    bounds = sorted(rows)
    if not math.isinf(bounds[-1]):
        raise GapError(f'the {named} has no bucket le="+Inf"')
    return Buckets(tuple(bounds), tuple(rows[bound] for bound in bounds))


def _differing(samples: list[Sample]) -> str:
    """The labels by which samples differ, with the first values of each."""
    names = dict.fromkeys(name for sample in samples for name in sample.labels)
    told = []
    for name in names:
        if name == "le" and len(names) > 1:
            continue
        values = list(dict.fromkeys(sample.labels.get(name, "") for sample in samples))
        if len(values) > 1:
            told.append(f"{name}={'|'.join(values[:_SHOWN])}{'|…' if len(values) > _SHOWN else ''}")
    return ", ".join(told)[:160] or "with the same labels"


def _other_labels(page: bytes, content_type: str, watch: Watch) -> str:
    """Where the metric is there with other labels: which."""
    if not watch.labels:
        return ""
    try:
        found = [sample.labels for sample in _samples(page, content_type, watch.metric or "", {})]
    except GapError:
        return ""
    return f"; its labels are {'; '.join(_shown(labels) for labels in found[:_SHOWN])}" if found else ""


def _shown(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""
