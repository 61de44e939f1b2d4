"""Every JSON document that a command prints with `--json`: its schema, the type it is written from, and the commands.

The types are imported only where a schema is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from loadsim.model import UsageError
from loadsim.spelling import did_you_mean


class Document(NamedTuple):
    """One kind of document."""

    module: str
    """In loadsim."""
    type_name: str
    commands: tuple[str, ...]
    """What prints it; the first words of a command line."""

    def kind(self) -> type[Any]:
        """The type that it is written from."""
        found: type[Any] = getattr(importlib.import_module(f"loadsim.{self.module}"), self.type_name)
        return found


DOCUMENTS: Mapping[str, Document] = {
    "loadsim.result/2": Document("measure.result", "RunResult", ("run", "judge", "reconcile", "report")),
    "loadsim.event/1": Document("run.explained_event", "ExplainedEvent", ("explain",)),
    "loadsim.simulation/1": Document("single.simulation_document", "SimulationDocument", ("simulate",)),
    "loadsim.probe.forms/1": Document("studies.probe.document", "FormsDocument", ("probe", "report")),
    "loadsim.probe.clock/1": Document("studies.probe.document", "ClockDocument", ("probe --clock", "report")),
    "loadsim.capacity/1": Document("studies.capacity.result", "CapacityResult", ("capacity", "report")),
    "loadsim.ab/1": Document("studies.ab.result", "AbResult", ("ab", "report")),
    "loadsim.compare/1": Document("report.compare_document", "CompareDocument", ("compare",)),
    "loadsim.bench.verify/1": Document("studies.bench_verify.result", "VerifyBench", ("bench verify", "report")),
    "loadsim.bench.receiver/1": Document(
        "studies.bench_receiver.result", "ReceiverBench", ("bench receiver", "report")
    ),
    "loadsim.floor/1": Document("measure.generator_limits", "StoredLimits", ("bench engine", "report")),
    "loadsim.receiver/1": Document("receiver.summary", "ReceiverSummary", ("receive",)),
    "loadsim.runs/1": Document("studies.result_directories", "StoredList", ("runs",)),
    "loadsim.pruned/1": Document("studies.result_directories", "Pruned", ("runs --prune",)),
    "loadsim.doctor/1": Document("studies.doctor.result", "Diagnosis", ("doctor",)),
    "loadsim.scenarios/1": Document("shipped", "ShippedScenarios", ("scenarios",)),
    "loadsim.events/1": Document("cli.listings", "EventList", ("events",)),
    "loadsim.schemes/1": Document("cli.listings", "SchemeList", ("schemes", "schemes show")),
    "loadsim.verification/1": Document("cli.listings", "VerificationDocument", ("schemes verify",)),
}
"""By the value of the key `schema`."""


def short_name(schema: str) -> str:
    """`loadsim.bench.verify/1` → `bench.verify`."""
    return schema.removeprefix("loadsim.").partition("/")[0]


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a document, by its short or whole name. Raises UsageError where there is none of this name."""
    from loadsim.report.json_schema import json_schema

    for schema, document in DOCUMENTS.items():
        if name in (schema, short_name(schema)):
            return json_schema(document.kind(), schema)
    names = [short_name(schema) for schema in DOCUMENTS]
    hint = did_you_mean(name, names, "; ") or f"; there are {', '.join(names)}"
    raise UsageError(f'there is no JSON document called "{name}"{hint}')
