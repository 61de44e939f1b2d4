"""The stored results of studies: the schema and file name of each kind, and how it becomes a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from loadsim.measure.generator_limits import SCHEMA as ENGINE_SCHEMA
from loadsim.measure.generator_limits import StoredLimits
from loadsim.measure.stored_json import UNREADABLE, why_newer
from loadsim.model import UsageError
from loadsim.report.blocks import Report
from loadsim.studies.ab.report import ab_report
from loadsim.studies.ab.result import SCHEMA as AB_SCHEMA
from loadsim.studies.ab.result import AbResult
from loadsim.studies.bench_engine.report import stored_engine_report
from loadsim.studies.bench_receiver.report import receiver_report
from loadsim.studies.bench_receiver.result import SCHEMA as RECEIVER_SCHEMA
from loadsim.studies.bench_receiver.result import ReceiverBench
from loadsim.studies.bench_verify.report import verify_report
from loadsim.studies.bench_verify.result import SCHEMA as VERIFY_SCHEMA
from loadsim.studies.bench_verify.result import VerifyBench
from loadsim.studies.capacity.report import capacity_report
from loadsim.studies.capacity.result import SCHEMA as CAPACITY_SCHEMA
from loadsim.studies.capacity.result import CapacityResult
from loadsim.studies.probe.document import probe_document
from loadsim.studies.probe.report import stored_report
from loadsim.studies.probe.result import SCHEMA as PROBE_SCHEMA
from loadsim.studies.probe.result import StoredProbe


def _as_stored(result: Any) -> Any:
    return result


class StudyKind(NamedTuple):
    """One kind of study: its file in a result directory, the type of its result, and the report of that."""

    filename: str | None
    """None: it is not stored in a directory of its own."""
    result: type[Any]
    report: Callable[[Any], Report]
    document: Callable[[Any], Any] = _as_stored
    """What `--json` prints of it."""


KINDS: dict[str, StudyKind] = {
    CAPACITY_SCHEMA: StudyKind("capacity.json", CapacityResult, capacity_report),
    AB_SCHEMA: StudyKind("ab.json", AbResult, ab_report),
    PROBE_SCHEMA: StudyKind("probe.json", StoredProbe, stored_report, probe_document),
    VERIFY_SCHEMA: StudyKind("verify.json", VerifyBench, verify_report),
    RECEIVER_SCHEMA: StudyKind("receiver.json", ReceiverBench, receiver_report),
    ENGINE_SCHEMA: StudyKind(None, StoredLimits, stored_engine_report),
}
"""By the schema that the stored result names."""
FILES = tuple(kind.filename for kind in KINDS.values() if kind.filename is not None)


class _Envelope(msgspec.Struct):
    schema: str


class StoredStudy(NamedTuple):
    """A stored study, for people and for programs."""

    report: Report
    document: Any
    """What `--json` prints."""


def study_in(data: bytes, source: str) -> StoredStudy | None:
    """The stored study; None where `data` is not one. Raises UsageError, in one line, for a damaged one, or one of a
    newer loadsim."""
    try:
        schema = msgspec.json.decode(data, type=_Envelope).schema
    except UNREADABLE:
        return None
    kind = KINDS.get(schema)
    if kind is None:
        newer = next(filter(None, (why_newer(schema, ours) for ours in KINDS)), "")
        if newer:
            raise UsageError(f"{source}: {newer}")
        return None
    try:
        result = msgspec.json.decode(data, type=kind.result)
        return StoredStudy(kind.report(result), kind.document(result))
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a valid {schema}: {error}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(f"{source}: its figures do not fit together: {type(error).__name__}: {error}") from None
