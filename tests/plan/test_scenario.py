"""What a scenario file means when it is right, and the one line that it ends in when it is wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest

from loadsim.plan import CaseRule, ScenarioError, from_document, load_scenario
from tests.plan.support import HEAD, SCHEMES, STEADY, TYPES, S, load, message

KNOWN = {"forged": CaseRule("refuse"), "stale": CaseRule("refuse", {"by": 3600 * S}), "odd": CaseRule("accept")}


def test_a_short_file_gets_every_default() -> None:
    scenario = load(HEAD + STEADY)
    assert [event.type for event in scenario.events] == list(TYPES)
    assert {event.weight for event in scenario.events} == {1.0}
    target = scenario.target
    assert (target.scheme, target.connections, target.timeout, target.overflow) == ("trackpilots", 256, 10 * S, "queue")
    assert (target.trace_header, target.preflight, target.transport, target.reuse) == (True, True, "direct", None)
    assert scenario.validity.lag == 10_000_000
    assert scenario.seed is None
    assert scenario.objectives == ()


def test_a_full_file_is_read_as_written() -> None:
    scenario = load(
        """
name = "full"
seed = 5
objectives = ["p(99) < 250ms"]
[target]
url = "https://example.test/hook"
scheme = "github"
secret_env = "HOOK_SECRET"
connections = 8
timeout = "2.5s"
reuse = 100
overflow = "drop"
headers = { Authorization = "env:TOKEN" }
[validity]
lag = "25ms"
[[events]]
type = "desktop.app_tracking.captured"
weight = 3
image = "buffer:64KB"
simulation = false
[events.set]
"data.0.user.userId" = "u-1"
[[phases]]
name = "ramp"
duration = "1m"
from = "0/s"
to = "30/m"
arrivals = "burst"
burst = "5s"
[[cases]]
kind = "wrong_secret"
share = 0.1
expect = "refuse"
""",
        known_cases={"wrong_secret": CaseRule("refuse")},
    )
    assert scenario.seed == 5
    assert scenario.validity.lag == 25_000_000
    assert scenario.target.timeout == 2_500_000_000
    assert scenario.target.headers == {"Authorization": "env:TOKEN"}
    assert scenario.events[0].set == {"data.0.user.userId": "u-1"}
    phase = scenario.phases[0]
    assert (phase.from_, phase.to) == (Fraction(0), Fraction(1, 2))
    assert (phase.burst, phase.duration) == (5 * S, 60 * S)
    assert (scenario.cases[0].kind, scenario.cases[0].share, scenario.cases[0].expect) == (
        "wrong_secret",
        0.1,
        "refuse",
    )


TARGET = (
    ("conections = 3", 'conections: unknown key; did you mean "connections"?'),
    ('secret = "hunter2"', "secret: a secret must not be in a file like this: name its variable"),
    ('scheme = "githib"', 'scheme: no such signature scheme: "githib"; did you mean "github"?'),
    ('secret_env = "A"\nsecret_file = "b"', "secret_file: secret_env is given too"),
    ('secret_env = "whsec/abc="', "secret_env: is the name of an environment variable"),
    ('connections = "8"', "connections: expected a whole number, got a text"),
    ("connections = 0", "connections: expected a whole number >= 1"),
    ("connections = 1.5", "connections: expected a whole number, got a number"),
    ("connections = true", "connections: expected a whole number, got true or false"),
    ("timeout = 10", 'timeout: a duration is a text with its unit, such as "30s"'),
    ('timeout = "10 seconds"', "timeout: '10 seconds' has the unknown unit 'seconds'"),
    ('timeout = "0s"', "timeout: must be more than 0"),
    ('drain = "9000h"', "drain: must be between 0 and a year"),
    ('overflow = "qeue"', 'overflow: "qeue" is not one of drop, queue'),
    (f'overflow = "{"x" * 9999}"', "xxx…"),
    ('insecure = true\ncacert = "ca.pem"', "cacert: insecure = true checks no certificate"),
    ('key = "k.pem"', "key: needs the certificate that it belongs to"),
    ('ledger = "localhost:8081"', "ledger: begins with its scheme"),
    ('headers = { "a b" = "x" }', "headers: 'a b' is not the name of an HTTP header"),
    ('headers = { A = "x\\r\\ny" }', "headers.A: the value holds a line break"),
    ('headers = { A = ["x", "a\\u0000b"] }', "headers.A: the value holds a line break or a control character"),
    ('headers = { Content-Length = "3" }', "headers.Content-Length: is set by the request itself"),
    ('headers = { expect = "100-continue" }', "headers.expect: asks for permission to send the body"),
    ("headers = { A = 3 }", "headers.A: expected a text or a list, got a whole number"),
    ("headers = 3", "headers: expected a table, got a whole number"),
)

URLS = (
    ("localhost:8080", "begins with its scheme: write http:// or https:// before the host"),
    ("ftp://h/", "needs an absolute URL"),
    ("http:///x", "needs an absolute URL"),
    ("http://h/a b", "holds a space or a control character"),
    ("http://h:99999/", "the port is not a number from 1 to 65535"),
    ("http://h:0/", "the port is not a number from 1 to 65535"),
    ("http://[::1/", "is not a URL"),
    ("", "needs an absolute URL"),
)

EVENTS = (
    ('type = "desktop.app_traking.captured"', 'type: no such event type: "desktop.app_traking.captured"; did you mean'),
    ("weight = 1", "type: is missing"),
    (f'type = "{TYPES[0]}"\nweight = -1', "weight: expected a number >= 0"),
    (f'type = "{TYPES[0]}"\nweight = inf', "weight: must be a finite number"),
    (f'type = "{TYPES[0]}"\nweight = nan', "weight: "),
    (f'type = "{TYPES[0]}"\nimage = "jpeg"', 'image: "jpeg" is not one of "placeholder", "buffer:64KB"'),
    (f'type = "{TYPES[0]}"\nimage = "buffer:64"', "image: '64' has no unit"),
    (f'type = "{TYPES[0]}"\nset = 3', "set: expected a table, got a whole number"),
)

PHASES = (
    ('ratte = "1/s"', 'ratte: unknown key; did you mean "rate"?'),
    ('duration = "1s"\nrate = "-1/s"', "rate: '-1/s' is negative"),
    ('duration = "1s"\nrate = 5', "rate: a rate is a text with its unit, such as"),
    ('duration = "1s"\nrate = "200000000/s"', "rate: must be between 0 and 100000000/s"),
    ('duration = "1s"\nrate = "5s"', "rate: '5s' has the unknown unit 's'"),
    ('duration = "1 day"\nrate = "5/s"', "duration: '1 day' has the unknown unit 'day'"),
    ('duration = "0s"\nrate = "5/s"', "duration: must be more than 0"),
    ('duration = "99999h"\nrate = "5/s"', "duration: must be more than 0 and at most a year"),
    ('duration = "1s"\nconnections = 1000001', "connections: must be at most 1,000,000"),
    ("connections = 2\nevents = 18446744073709551616", "events: must be at most 100,000,000,000,000"),
    ('rate = "5/s"', 'duration: is missing: give one such as "30s"'),
    ('duration = "1s"\nrate = "1/s"\nconnections = 3', "rate: connections (closed model) is given too"),
    ('duration = "1s"\nrate = "1/s"\nfrom = "1/s"\nto = "2/s"', "rate: from/to (a ramp) is given too"),
    ('duration = "1s"\nto = "1/s"', "to: a ramp needs from"),
    ('duration = "1s"\nfrom = "1/s"', "from: a ramp needs to"),
    ('duration = "1s"\nrate = "1/s"\nevents = 5', "events: goes with connections only"),
    ('duration = "1s"\nrate = "1/s"\narrivals = "poison"', 'arrivals: "poison" is not one of '),
    ('duration = "1s"\nrate = "1/s"\narrivals = 3', "arrivals: expected a text, got a whole number"),
    ('duration = "1s"\nrate = "1/s"\nburst = "5s"', 'burst: goes with arrivals = "burst" only'),
    ('duration = "1s"\nrate = "1/s"\narrivals = "burst"\nburst = "0s"', "burst: must be more than 0"),
    ("connections = 5", "duration: is missing: give one such as "),
    ('connections = 5\nduration = "1s"\narrivals = "poisson"', "arrivals: a closed phase has no arrivals of its own"),
    ('connections = 5\nduration = "1s"\nburst = "1s"', 'burst: goes with arrivals = "burst" only'),
    ('connections = 5\nduration = "1s"\nto = "1/s"', "to: connections (closed model) is given too"),
)

WHOLE = (
    ("objektives = []\n" + HEAD + STEADY, 'objektives: unknown key; did you mean "objectives"?'),
    (HEAD + "[validity]\nzzz = 1\n" + STEADY, "validity.zzz: unknown key; known: lag"),
    ('name = ""\n[target]\nurl = "embedded"\n' + STEADY, "name: is empty"),
    ('name = " "\n[target]\nurl = "embedded"\n' + STEADY, "name: is empty"),
    ('name = "x"\n' + STEADY, "target: is missing"),
    ('name = "x"\n[target]\nscheme = "github"\n' + STEADY, "target.url: is missing"),
    ('name = "x"\ntarget = 3\n' + STEADY, "target: expected a table, got a whole number"),
    (HEAD + STEADY + f'[[events]]\ntype = "{TYPES[0]}"\n' * 2, f'events[1].type: "{TYPES[0]}" is in the mix twice'),
    ("events = []\n" + HEAD + STEADY, "events: the mix is empty"),
    (HEAD + STEADY + f'[[events]]\ntype = "{TYPES[0]}"\nweight = 0\n', "events: every weight is 0"),
    (HEAD, "phases: is missing"),
    ("phases = []\n" + HEAD, "phases: there is none"),
    ("phases = [3]\n" + HEAD, "phases[0]: expected a table, got a whole number"),
    (HEAD + '[phases]\nname = "a"\n', "phases: expected a list, got a table"),
    (HEAD + '[[phases]]\nname = ""\nrate = "1/s"\nduration = "1s"\n', "phases[0].name: must be a text without"),
    (HEAD + STEADY.replace("steady", "phase-2") + "[[phases]]", 'phases[1].name: another phase is called "phase-2"'),
    (HEAD + '[[phases]]\nname = "a"\nduration = "1s"\n', "phases[0]: needs rate, or from and to"),
    (HEAD + STEADY.replace('"steady"', '"a}"'), "phases[0].name: must be a text without braces"),
    (HEAD + STEADY * 2, 'phases[1].name: another phase is called "steady"'),
    (HEAD + '[[phases]]\nname = "a"\nconnections = 5\nevents = 5\n' + STEADY, "phases[0].duration: is missing"),
    (HEAD + STEADY + "record = false\n", "phases: every phase has record = false"),
    (
        HEAD + STEADY + '[[phases]]\nname = "a"\nconnections = 5\nevents = 5\n',
        "phases: recorded phases are of one model",
    ),
    (HEAD + STEADY.replace("500/s", "0/s"), "phases: no event is due in any recorded phase"),
    ("seed = -1\n" + HEAD + STEADY, "seed: expected a whole number >= 0"),
    (f"seed = {2**63}\n" + HEAD + STEADY, "seed: "),
    (HEAD + '[validity]\nlag = "0ms"\n' + STEADY, "validity.lag: must be more than 0"),
    ("objectives = [3]\n" + HEAD + STEADY, "objectives[0]: expected a text or a table, got a whole number"),
    ("objectives = [{abort = true}]\n" + HEAD + STEADY, "objectives[0].objective: is missing"),
    (
        "objectives = [{objective = 'x', abor = true}]\n" + HEAD + STEADY,
        'objectives[0].abor: unknown key; did you mean "abort"?',
    ),
    (
        "objectives = [{objective = 'x', abort = 1}]\n" + HEAD + STEADY,
        "objectives[0].abort: expected true or false, got a",
    ),
    (HEAD + '[receiver]\ndwn = ["1s:1s"]\n' + STEADY, 'receiver.dwn: unknown key; did you mean "down"?'),
    (HEAD + '[receiver]\ndown = "1s:1s"\n' + STEADY, "receiver.down: expected a list, got a text"),
    (HEAD + '[receiver]\ndown = ["1s"]\n' + STEADY, "receiver.down[0]: '1s' is not AT:FOR: write two durations"),
    (HEAD + '[receiver]\ndown = ["2s:1s", "1s:1s"]\n' + STEADY, "receiver: down 2s:1s: starts before the earlier one"),
    (HEAD + "[receiver]\nslots = 1\n" + STEADY, "receiver: slots without delay"),
    (HEAD.replace("embedded", "http://h/") + "[receiver]\n" + STEADY, 'receiver: goes with url = "embedded" only'),
    (HEAD + STEADY + '[[cases]]\nkind = "forged"\nshare = 0.5\n', 'cases[0].kind: no such case kind: "forged"'),
    ('"a\\nb" = 1\n' + HEAD + STEADY, "a\\nb: unknown key"),
    (HEAD + "duration = 5s\n", "not TOML: "),
)


@pytest.mark.parametrize(("fragment", "expected"), TARGET)
def test_a_wrong_target_ends_in_one_line(fragment: str, expected: str) -> None:
    line = message(f"{HEAD}{fragment}\n{STEADY}")
    assert line.startswith("f.toml: target.")
    assert expected in line


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_a_wrong_url_ends_in_one_line(url: str, expected: str) -> None:
    assert message(HEAD.replace("embedded", url) + STEADY).startswith(f"f.toml: target.url: {expected}")


@pytest.mark.parametrize(("fragment", "expected"), EVENTS)
def test_a_wrong_event_ends_in_one_line(fragment: str, expected: str) -> None:
    assert message(f"{HEAD}{STEADY}[[events]]\n{fragment}\n").startswith(f"f.toml: events[0].{expected}")


@pytest.mark.parametrize(("fragment", "expected"), PHASES)
def test_a_wrong_phase_ends_in_one_line(fragment: str, expected: str) -> None:
    assert message(f'{HEAD}[[phases]]\nname = "a"\n{fragment}\n').startswith(f"f.toml: phases[0].{expected}")


@pytest.mark.parametrize(("text", "expected"), WHOLE)
def test_a_wrong_file_ends_in_one_line(text: str, expected: str) -> None:
    assert message(text).startswith(f"f.toml: {expected}")


def test_names_may_be_left_out() -> None:
    text = '[target]\nurl = "embedded"\n[[phases]]\nrate = "1/s"\nduration = "1s"\n' + STEADY
    scenario = load_scenario(
        text + '[[phases]]\nrate = "1/s"\nduration = "1s"\n',
        source="loads/busy hour.toml",
        known_types=TYPES,
        known_schemes=SCHEMES,
    )
    assert scenario.name == "busy hour"
    assert [phase.name for phase in scenario.phases] == ["phase-1", "steady", "phase-3"]
    assert from_document(scenario.document(), "elsewhere.toml").name == "busy hour"


def test_a_syntax_error_names_its_line() -> None:
    assert "line 4" in message(HEAD + "duration = 5s\n")


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ('[[cases]]\nkind = "forged"\nshare = -1\n', "cases[0].share: expected a number >= 0"),
        ('[[cases]]\nkind = "forged"\nshare = 0\n', "cases[0].share: is 0, and no phase gives this kind another"),
        ('[[cases]]\nkind = "forged"\nshare = 0.1\nby = "1h"\n', 'by: a case of kind "forged" has no such key'),
        ('[[cases]]\nkind = "stale"\nshare = 0.1\nby = "0s"\n', "cases[0].by: must be more than 0"),
        ('[[cases]]\nkind = "stale"\nshare = 0.1\nsize = 3\n', 'size: a size is a text with its unit, such as "64KB"'),
        ('[[cases]]\nkind = "forged"\nshare = 1.1\n', "cases[0].share: expected a number <= 1"),
        ('[[cases]]\nkind = "forged"\n', "cases[0].share: is missing"),
        ('[[cases]]\nkind = "forged"\nshare = 0.6\n[[cases]]\nkind = "stale"\nshare = 0.6\n', "cases: the shares are"),
        ('[[cases]]\nkind = "forged"\nshare = 0.1\n' * 2, 'cases[1].kind: "forged" is given twice'),
        ('[[cases]]\nkind = "forget"\nshare = 0.1\n', 'did you mean "forged"?'),
        ('[[cases]]\nkind = "forged"\nshare = 0.1\nexpect = "perhaps"\n', 'cases[0].expect: "perhaps" is not one of'),
    ],
)
def test_a_wrong_case_ends_in_one_line(cases: str, expected: str) -> None:
    assert expected in message(HEAD + STEADY + cases, known_cases=KNOWN)


FORGED = '[[cases]]\nkind = "forged"\nshare = 0.4\n'


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("shares = { forged = 1.5 }", "phases[0].shares"),
        ("shares = { forgd = 0.5 }", 'phases[0].shares.forgd: no [[cases]] of this kind; did you mean "forged"?'),
        ("shares = { forged = 0.7, odd = 0.4 }", "phases[0].shares: the shares are more than 1 together, with those"),
        ('secrets = "older"', 'phases[0].secrets: "older" is not one of both, new, old'),
    ],
)
def test_a_wrong_share_of_a_phase_ends_in_one_line(phase: str, expected: str) -> None:
    cases = FORGED + '[[cases]]\nkind = "odd"\nshare = 0.1\n'
    assert f"f.toml: {expected}" in message(HEAD + STEADY + phase + "\n" + cases, known_cases=KNOWN)


def test_a_closed_phase_has_no_shares_of_its_own() -> None:
    phase = '[[phases]]\nname = "a"\nconnections = 2\nduration = "1s"\nshares = { forged = 0.5 }\n'
    assert "phases[0].shares: goes with a rate" in message(HEAD + phase + FORGED, known_cases=KNOWN)


def test_an_old_secret_is_named_as_the_new_one_is() -> None:
    both = 'old_secret_env = "OLD"\nold_secret_file = "old.txt"\n'
    assert "target.old_secret_file: old_secret_env is given too" in message(HEAD + both + STEADY)
    assert "target.old_secret_env: is the name of an environment" in message(HEAD + 'old_secret_env = "a="\n' + STEADY)


def test_what_a_case_leaves_out_is_its_kinds_default() -> None:
    text = HEAD + STEADY + FORGED + '[[cases]]\nkind = "stale"\nshare = 0\nby = "2h"\nexpect = "accept"\n'
    text = text.replace(STEADY, STEADY + "shares = { stale = 0.1 }\n")
    forged, stale = load(text, known_cases=KNOWN).cases
    assert (forged.expect, forged.by, stale.expect, stale.by) == ("refuse", None, "accept", 7200 * S)
    assert load(text.replace('by = "2h"', ""), known_cases=KNOWN).cases[1].by == 3600 * S


def test_a_message_never_repeats_what_may_be_a_credential() -> None:
    for line in (
        message(HEAD.replace("embedded", "ftp://user:hunter2@h/?token=hunter2") + STEADY),
        message(HEAD.replace("embedded", "http://user:hunter2@h:99999/") + STEADY),
        message(HEAD.replace("embedded", "http://user:hunter2/@h/") + STEADY),
        message(HEAD + 'headers = { Authorization = "hunter2\\u0000" }\n' + STEADY),
        message(HEAD + 'secret_env = "hunter2="\n' + STEADY),
        message(HEAD + 'secret = "hunter2"\n' + STEADY),
    ):
        assert "hunter2" not in line


def test_a_closed_phase_may_end_with_its_events_when_it_is_the_last() -> None:
    phase = load(HEAD + '[[phases]]\nname = "a"\nconnections = 4\nevents = 100\n').phases[0]
    assert (phase.model, phase.duration, phase.events) == ("closed", None, 100)


def test_a_warm_up_may_be_of_the_other_model() -> None:
    scenario = load(HEAD + '[[phases]]\nname = "w"\nconnections = 4\nduration = "1s"\nrecord = false\n' + STEADY)
    assert [phase.model for phase in scenario.phases] == ["closed", "open"]


def test_a_document_is_held_to_the_same_rules() -> None:
    document = load(HEAD + STEADY).document()
    document["phases"][0]["rate"] = "-1/s"
    with pytest.raises(ScenarioError, match=r"^plan: phases\[0\]\.rate: "):
        from_document(document, "plan")
    with pytest.raises(ScenarioError, match="the mix is empty"):
        from_document({"name": "x", "target": {"url": "embedded"}, "phases": [{"name": "a", "connections": 1}]}, "plan")
