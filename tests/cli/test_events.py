"""`loadsim events`: the list, the sample, the exact body."""

from __future__ import annotations

import orjson
import pytest

from loadsim.cli.main import main
from loadsim.events import EventSource, catalogue, event_type

from .running import Run

APP = "desktop.app_tracking.captured"
SCREENSHOT = "desktop.screenshot_tracking.captured"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_the_list_names_every_type_on_its_own_line(run: Run) -> None:
    ran = run("events")
    assert ran.code == 0
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == [each.name for each in catalogue()]


def test_a_schemes_own_event_needs_no_prefix(run: Run) -> None:
    full = run("events", "stripe.charge.succeeded", "--seed", "7", "--epoch", "1746123456")
    assert full.code == 0
    assert run("events", "--scheme", "stripe", "charge.succeeded", "--seed", "7", "--epoch", "1746123456") == full
    assert run("events", "--scheme", "stripe", "charge.succeeded").code == 0
    other = run("events", "--scheme", "github", "stripe.charge.succeeded")
    assert (other.code, other.out) == (2, "")
    assert "stripe.charge.succeeded is not an event of scheme github" in other.err


def test_the_list_can_be_that_of_one_scheme(run: Run) -> None:
    github = [line.split("\t")[0] for line in run("events", "--scheme", "github").out.splitlines()]
    assert github == ["github.issues", "github.pull_request", "github.push"]
    assert "standard-webhooks.contact.created" in run("events", "--scheme", "svix").out
    assert run("events", "--scheme", "githob").code == run("events", APP, "--scheme", "github").code == 2


@pytest.mark.parametrize("name", [each.name for each in catalogue()])
def test_the_sample_is_the_documented_payload(run: Run, name: str) -> None:
    ran = run("events", name)
    assert ran.code == 0
    assert orjson.loads(ran.out) == event_type(name).sample()
    assert "\n  " in ran.out


def test_the_sample_follows_the_options(run: Run) -> None:
    ran = run("events", SCREENSHOT, "--live", "--image", "buffer:9B", "--set", "data.0.user.userId=u-1")
    document = orjson.loads(ran.out)
    assert "simulation" not in document
    assert len(document["data"][0]["screenshot"]["imageBuffer"]["data"]) == 9
    assert document["data"][0]["user"] == {"userId": "u-1"}


@pytest.mark.parametrize(
    ("epoch", "now_ns"),
    [
        ("1746123456", 1_746_123_456_000_000_000),
        ("1746123456.789", 1_746_123_456_789_000_000),
        ("2025-05-01T18:17:36.789Z", 1_746_123_456_789_000_000),
        ("2025-05-01T20:17:36.789+02:00", 1_746_123_456_789_000_000),
        ("2025-05-01T18:17:36", 1_746_123_456_000_000_000),
        ("0", 0),
    ],
)
def test_the_exact_body_is_that_of_the_run(
    epoch: str, now_ns: int, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.argv", ["loadsim", "events", APP, "--seed", "7", "--index", "5000", "--epoch", epoch])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capfdbinary.readouterr() == (EventSource(APP, 7).body(5000, now_ns), b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "unknown event type 'nope': known types are desktop.activity_tracking.captured, "),
        (["--seed", "1"], "these options need an event type"),
        ([APP, "--index", "1"], "need the seed of the run: give --seed too"),
        ([APP, "--epoch", "1"], "need the seed of the run: give --seed too"),
        ([APP, "--seed", "1", "--epoch", "noon"], "--epoch noon: write unix seconds or ISO 8601"),
        ([APP, "--seed", "1", "--epoch", "nan"], "--epoch nan: write unix seconds"),
        ([APP, "--seed", "1", "--epoch", "999999999999"], "between the years 1970 and 9999"),
        ([APP, "--seed", "1", "--epoch", "1960-01-01"], "between the years 1970 and 9999"),
        ([APP, "--seed", "1", "--index", "-1"], "--index"),
        ([APP, "--seed", "1", "--index", str(2**48)], "--index"),
        ([APP, "--image", "buffer:1KB"], "carry no image"),
        ([APP, "--set", "data.user.userId=1"], 'did you mean "data.0.user.userId"'),
    ],
)
def test_bad_input_is_one_line_and_exit_2(run: Run, arguments: list[str], message: str) -> None:
    ran = run("events", *arguments)
    assert ran.code == 2
    assert message in ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
