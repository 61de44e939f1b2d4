"""The rules of `[[watch]]`."""

from __future__ import annotations

from typing import Any

import pytest

from loadsim.plan.redact import redacted
from loadsim.plan.watches import MOST_WATCHES, series_names, series_of, stem, unit_of_metric
from tests.plan.support import HEAD, STEADY, load, message

URL = 'url = "http://127.0.0.1:9/metrics"\n'


def watch(*lines: str, name: str = "queue") -> str:
    return "\n[[watch]]\n" + f'name = "{name}"\n' + "\n".join(lines) + "\n"


def test_a_watch_of_each_kind() -> None:
    scenario = load(
        HEAD
        + STEADY
        + watch(URL, 'metric = "jobs_waiting"', 'labels = { queue = "mail" }')
        + watch(URL, 'metric = "took_seconds"', 'as = "p99"', name="work: mail")
        + watch('sql = "SELECT 1"', 'dsn_env = "DSN"', 'as = "rate"', name="rows")
        + watch("pid = 4711", name="app")
        + watch("pid = 4712", 'metric = "cpu"', name="worker")
    )
    assert [each.kind for each in scenario.watch] == ["url", "url", "sql", "pid", "pid"]
    assert series_names(scenario.watch) == (
        "queue", "work: mail", "rows", "app.cpu", "app.rss", "app.descriptors", "app.threads", "worker",
    )  # fmt: skip
    made = [(series.reading, series.unit) for each in scenario.watch for series in series_of(each)]
    assert made[:5] == [("gauge", ""), ("p99", "s"), ("rate", ""), ("rate", "cores"), ("gauge", "bytes")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "watch[0]: needs one of url, sql and pid"),
        ([URL, "pid = 1"], "watch[0]: needs one of url, sql and pid, not url and pid"),
        ([URL], "watch[0].metric: is needed with url"),
        ([URL, 'metric = "a b"'], "watch[0].metric: is not the name of a metric"),
        ([URL, 'metric = "m"', 'labels = { "a-b" = "c" }'], "watch[0].labels: a name of a label has letters"),
        ([URL, 'metric = "m"', 'as = "p98"'], 'watch[0].as: "p98" is not one of gauge, p99, rate'),
        ([URL, 'metric = "m"', 'as = "p99"', 'labels = { le = "1" }'], "watch[0].labels.le: is the bound of a bucket"),
        ([URL, 'metric = "m"', 'dsn_env = "D"'], "watch[0].dsn_env: goes with sql only"),
        ([URL, 'metric = "m"', 'headers = { "a b" = "c" }'], "watch[0].headers: 'a b' is not the name of an HTTP"),
        (['url = "ftp://x/m"', 'metric = "m"'], "watch[0].url: needs an absolute URL"),
        (['sql = "SELECT 1"'], "watch[0].dsn_env: is needed with sql"),
        (['sql = " "', 'dsn_env = "D"'], "watch[0].sql: is empty"),
        (['sql = "SELECT 1"', 'dsn_env = "a-b"'], "watch[0].dsn_env: is the name of an environment variable"),
        (['sql = "SELECT 1"', 'dsn_env = "D"', 'as = "p99"'], 'watch[0].as: "p99" needs buckets'),
        (["pid = 0"], "watch[0].pid: expected a whole number >= 1"),
        (["pid = 1", 'metric = "cpus"'], 'watch[0].metric: "cpus" is not known of a process; did you mean "cpu"?'),
        (["pid = 1", 'as = "rate"'], "watch[0].as: goes with url only"),
        (["pid = 1", 'url_ = "x"'], "watch[0].url_: unknown key"),
    ],
)
def test_what_cannot_be_watched_is_one_line(lines: list[str], said: str) -> None:
    assert message(HEAD + STEADY + watch(*lines)).startswith(f"f.toml: {said}")


@pytest.mark.parametrize("name", ["", " ", " queue", "a,b", "a{b", "a\\tb"])
def test_names_must_be_such_as_objectives_can_name(name: str) -> None:
    assert "watch[0].name: must be a text" in message(HEAD + STEADY + watch("pid = 1", name=name))


def test_names_differ_also_those_of_the_parts_of_a_process() -> None:
    twice = watch("pid = 1", name="app") + watch("pid = 2", 'metric = "rss"', name="app.rss")
    assert message(HEAD + STEADY + twice) == 'f.toml: watch[1].name: another series is called "app.rss"'
    many = "".join(watch("pid = 1", name=f"n{number}") for number in range(MOST_WATCHES + 1))
    assert message(HEAD + STEADY + many) == "f.toml: watch: there are 33, 32 are possible"


def test_shards_know_nothing_of_watches_and_a_stored_scenario_no_secret() -> None:
    headers = 'headers = { Authorization = "Bearer s3cret-token", Accept = "x" }'
    text = watch('url = "http://me:s3cret@127.0.0.1:9/m?key=s3cret-value"', 'metric = "m"', headers)
    scenario = load(HEAD + STEADY + text + watch('sql = "SELECT 1"', 'dsn_env = "whsec_s3cret"', name="b"))
    document: dict[str, Any] = redacted(scenario.document())
    assert "s3cret" not in str(document)
    assert document["watch"][0]["headers"]["Accept"] == "x"
    from loadsim.plan import RunSpec

    assert RunSpec(scenario=scenario, seed=1).fired.watch == ()


@pytest.mark.parametrize(
    ("metric", "family", "unit"),
    [
        ("took_seconds", "took_seconds", "s"),
        ("took_seconds_bucket", "took_seconds", "s"),
        ("cpu_seconds_total", "cpu_seconds", "s"),
        ("resident_bytes", "resident_bytes", "bytes"),
        ("_total", "_total", ""),
        ("jobs", "jobs", ""),
    ],
)
def test_units_are_those_that_names_end_in(metric: str, family: str, unit: str) -> None:
    assert (stem(metric), unit_of_metric(metric)) == (family, unit)
