"""The verdict as JUnit XML, in the shape that k6 writes: one suite of thresholds, one case per objective.

A missed objective is a `failure`, an invalid measurement an `error`. Source: k6's `jUnit` summary (one suite, cases
named `metric - threshold`, a `failure` with a message). Beside that, the suite says in properties what was tested, each
case what was observed, and the recorded time of the run is that of the case about its validity.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from loadsim.judge.objectives import parse_objective
from loadsim.measure.result import RunResult, target_url
from loadsim.model import UsageError
from loadsim.report import facts, numbers
from loadsim.report.what_limited import limit_lines

SUITE = "loadsim objectives"


def render_junit(result: RunResult) -> bytes:
    """The whole file. A failed objective is a `failure`; one that cannot be judged, or an INVALID run, an `error`; one
    that a shortened run leaves open is `skipped`."""
    suite = Element("testsuite", name=SUITE, time=_seconds(result.totals.duration_s))
    properties = SubElement(suite, "properties")
    for name, value in _facts(result).items():
        SubElement(properties, "property", name=name, value=numbers.printable(value))
    _add_validity(suite, result)
    for line in facts.objective_lines(result):
        case = _case(suite, _name(line.text), result)
        seen = f"{line.observed} (95 % {line.interval})" if line.interval else line.observed
        case.set("time", _seconds(0.0))
        if line.passed is False:
            SubElement(case, "failure", message=numbers.printable(f"observed {seen}, must be {line.limit}"))
        elif line.scaled:
            SubElement(case, "skipped", message=numbers.printable(line.note))
        elif line.passed is None:
            SubElement(case, "error", message=numbers.printable(line.open_because))
        SubElement(case, "system-out").text = numbers.printable(f"observed {seen}, limit {line.limit}")
    root = Element("testsuites")
    for element in (root, suite):
        element.set("tests", str(len(suite.findall("testcase"))))
        element.set("failures", str(len(suite.findall("*/failure"))))
        element.set("errors", str(len(suite.findall("*/error"))))
        if skipped := len(suite.findall("*/skipped")):
            element.set("skipped", str(skipped))
    suite.set("timestamp", numbers.printable(result.run.started_at))
    root.append(suite)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _facts(result: RunResult) -> dict[str, str]:
    """What was tested and what limited it, by name."""
    run = result.run
    found = {"target": target_url(result), "run": run.id, "name": run.name}
    found |= {"started": run.started_at, "seed": str(run.seed), "limits": "; ".join(limit_lines(result))}
    found |= {"scale": f"{run.scale:g}"} if run.scale < 1 else {}
    return {name: value for name, value in found.items() if value} | {f"tag {key}": run.tags[key] for key in run.tags}


def _seconds(seconds: float | None) -> str:
    return f"{seconds or 0.0:.3f}"


def _add_validity(suite: Element, result: RunResult) -> None:
    case = _case(suite, "validity - the measurement can be trusted", result)
    case.set("time", _seconds(result.totals.duration_s))
    reasons = result.validity.reasons
    if result.verdict.outcome == "none":
        SubElement(case, "error", message="not judged yet")
    elif reasons:
        SubElement(case, "error", message=numbers.printable("; ".join(reasons)))
    if result.validity.warnings:
        warnings = (f"warning: {numbers.printable(text)}" for text in result.validity.warnings)
        SubElement(case, "system-out").text = "\n".join(warnings)


def _case(suite: Element, name: str, result: RunResult) -> Element:
    return SubElement(
        suite,
        "testcase",
        name=numbers.printable(name),
        classname=f"loadsim.{numbers.printable(result.run.name)}",
    )


def _name(text: str) -> str:
    """`metric - threshold`, as k6 has it; a text that names its metric is only split."""
    metric, _, test = text.rpartition(": ")
    if not metric:
        try:
            metric = parse_objective(text).metric
        except UsageError:  # stored by a version with other names
            metric = "objective"
    return f"{metric} - {test}"
