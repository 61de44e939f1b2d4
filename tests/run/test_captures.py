"""The captures of a scenario: event types by row, rows that only say when, and what cannot be sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadsim.cases import request_maker
from loadsim.events import catalogue
from loadsim.model import NS_PER_S, Secret, UsageError
from loadsim.plan import RunSpec, Scenario
from loadsim.plan.scenario_reading import from_document
from loadsim.run.captures import MOST_TYPES, captures_of
from loadsim.run.options import RunOptions
from loadsim.run.spec_of_options import compose
from loadsim.signing import scheme

SECRET = Secret("s3cret_s3cret_s3cret")
NOW_NS = 1_800_000_000 * NS_PER_S


def capture(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def scenario(path: str, *more: dict[str, Any], name: str = "mine", **keys: Any) -> Scenario:
    document = {
        "name": "s",
        "target": {"url": "http://h.test/", "scheme": "github", **keys},
        "events": [{"type": name, "payloads": path}, *more],
        "phases": [{"name": "p", "connections": 1, "events": 1000}],
    }
    return from_document(document, "s.toml", known_types=[event.name for event in catalogue()])


def spec_of(chosen: Scenario) -> RunSpec:
    recorded, pace = captures_of(chosen)
    return RunSpec(scenario=chosen, seed=7, recorded=recorded, pace=pace, secret=SECRET)


def sent(spec: RunSpec, count: int) -> list[tuple[str, dict[str, str], bytes]]:
    """Of the first events the type in reports, the headers and the body."""
    plan, maker = spec.plan(), request_maker(spec)
    found = []
    for index in range(count):
        type_number, case = plan.kind_of(index)
        request = maker.make(index, plan.stratum(0, type_number, case), NOW_NS)
        found.append((plan.types[type_number], dict(request.header_pairs()), request.body))
    return found


def test_event_i_is_row_i_under_its_own_type(tmp_path: Path) -> None:
    rows = [{"type": f"t{number % 3}", "body": f"{number}", "headers": {"X-Row": str(number)}} for number in range(7)]
    path = capture(tmp_path / "a.ndjson", *rows, {"body": "last"})
    spec = spec_of(scenario(path))
    assert spec.plan().types == ("t0", "t1", "t2", "mine")
    for index, (name, headers, body) in enumerate(sent(spec, 3 * 8)):
        row = index % 8
        assert (name, body) == ((f"t{row % 3}", b"%d" % row) if row < 7 else ("mine", b"last"))
        assert headers["X-GitHub-Event"] == name
        assert headers.get("X-Row") == (str(row) if row < 7 else None)
        assert scheme("github").verifier(SECRET).verify({k.lower(): v for k, v in headers.items()}, body, 0) is None


def test_the_types_of_a_capture_share_its_weight_beside_other_events(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", *({"type": f"t{n % 2}", "body": str(n)} for n in range(3)))
    spec = spec_of(scenario(path, {"type": "github.push", "weight": 3}))
    assert spec.plan().types == ("t0", "t1", "github.push")
    events = sent(spec, 4000)
    captured = [(index, name, body) for index, (name, _, body) in enumerate(events) if name != "github.push"]
    assert 800 < len(captured) < 1200
    for index, name, body in captured:
        assert (name, body) == (f"t{index % 3 % 2}", b"%d" % (index % 3))
    assert all(json.loads(body)["ref"] for name, _, body in events if name == "github.push")


def test_a_type_that_another_event_has_too_keeps_rows_of_its_own(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", {"type": "github.push", "body": "x"})
    spec = spec_of(scenario(path, {"type": "github.push"}))
    assert spec.plan().types == ("github.push (mine)", "github.push")
    assert {headers["X-GitHub-Event"] for name, headers, body in sent(spec, 50) if body == b"x"} == {"github.push"}


@pytest.mark.parametrize(("row", "name"), [({}, "push"), ({"type": "push"}, "mine"), ({"type": "github.push"}, "mine")])
def test_rows_without_a_body_say_when_events_are_due_that_are_made(
    tmp_path: Path, row: dict[str, str], name: str
) -> None:
    path = capture(tmp_path / "a.ndjson", *({**row, "at": at} for at in (10, 13)))
    document = scenario(path, name=name).document()
    document["phases"] = [{"name": "p", "arrivals": "recorded", "duration": "10s", "max_gap": "2s"}]
    spec = spec_of(from_document(document, "s.toml"))
    plan = spec.plan()
    assert plan.types == ("github.push",)
    assert [due for block in plan.blocks(0) for due in block.due] == [2 * n * NS_PER_S for n in range(5)]
    events = sent(spec, 5)
    assert len({body for _, _, body in events}) == 5
    assert {headers["X-GitHub-Event"] for _, headers, _ in events} == {"push"}


def test_rows_in_another_order_are_sent_by_their_times(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", *({"body": str(at), "at": at} for at in (3, 1, 2)))
    document = scenario(path).document()
    document["phases"] = [{"name": "p", "arrivals": "recorded", "duration": "3s"}]
    spec = spec_of(from_document(document, "s.toml"))
    assert [body for _, _, body in sent(spec, 3)] == [b"1", b"2", b"3"]
    assert spec.pace == (0, NS_PER_S, 2 * NS_PER_S)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"at": 1}], '"mine" is no event type that loadsim can make'),
        ([{"at": 1, "type": "t"}], '"t" is no event type that loadsim can make'),
        ([{"at": 1, "type": "t"}, {"body": "", "type": "t"}], 'of type "t" some rows have a body and some have none'),
        ([{"body": "", "type": f"t{n}"} for n in range(MOST_TYPES + 1)], "501 event types, at most 500"),
        ([{"body": ""}, {"bdy": ""}], 'line 2: unknown key "bdy"'),
    ],
)
def test_what_cannot_be_sent_is_one_line_with_the_file(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    path = capture(tmp_path / "a.ndjson", *rows)
    with pytest.raises(UsageError) as refused:
        captures_of(scenario(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)


def test_an_objective_may_name_the_type_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = capture(tmp_path / "a.ndjson", {"type": "star", "body": "1"}, {"type": "push", "body": "2"})
    asked = RunOptions(payload=path, events=100, check=True, objectives=("response{event:star}: med < 1s",))
    spec = compose("http://127.0.0.1:1/", asked)
    assert spec.plan().types == ("star", "push")
    with pytest.raises(UsageError, match="star"):
        compose("http://127.0.0.1:1/", msgspec.structs.replace(asked, objectives=("success{event:sta}: rate > 1%",)))
