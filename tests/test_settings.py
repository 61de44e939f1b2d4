"""Endpoints by name, from `loadsim.toml`; and the one line that each failure ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.model import UsageError
from loadsim.plan import override, quick_scenario
from loadsim.settings import Config, load_config, resolve_target

TYPES = ("desktop.app_tracking.captured", "desktop.activity_tracking.captured")

GOOD = """
[endpoints.staging]
url = "https://staging.example.test/hook"
scheme = "trackpilots"
secret_env = "STAGING_SECRET"
events = ["desktop.app_tracking.captured"]
timeout = "3s"
headers = { Authorization = "env:STAGING_TOKEN" }

[endpoints.local]
url = "http://127.0.0.1:8080/hook"
"""


X = '[endpoints.x]\nurl = "http://h/"\n'


def config_of(directory: Path, text: str = GOOD) -> Config:
    (directory / "loadsim.toml").write_text(text, encoding="utf-8")
    return load_config(directory, known_types=TYPES, known_schemes=("trackpilots",))


def test_a_name_becomes_its_endpoint(tmp_path: Path) -> None:
    endpoint = resolve_target("staging", config_of(tmp_path))
    assert (endpoint.name, endpoint.url) == ("staging", "https://staging.example.test/hook")
    assert endpoint.events == ("desktop.app_tracking.captured",)
    assert endpoint.target.secret_env == "STAGING_SECRET"
    assert endpoint.target.timeout == 3_000_000_000


def test_only_what_an_endpoint_sets_is_laid_over_a_scenario(tmp_path: Path) -> None:
    endpoint = resolve_target("staging", config_of(tmp_path))
    base = quick_scenario("embedded", known_types=TYPES, target={"connections": 7, "timeout": "1s"}, connections=7)
    target = override(base, target=endpoint.given).target
    assert (target.url, target.timeout, target.connections) == (endpoint.url, 3_000_000_000, 7)


@pytest.mark.parametrize("argument", ["http://127.0.0.1:1/x", "https://u:p@example.test/?a=b", "embedded"])
def test_a_url_is_an_endpoint_without_a_name(argument: str, tmp_path: Path) -> None:
    endpoint = resolve_target(argument, load_config(tmp_path))
    assert (endpoint.name, endpoint.url, endpoint.events, endpoint.given) == (None, argument, (), {"url": argument})


@pytest.mark.parametrize("argument", ["localhost:3000", "127.0.0.1:80/hook?a=1", "[::1]:8080/", "a.example.test:8080"])
def test_a_host_and_a_port_are_a_url_too(argument: str, tmp_path: Path) -> None:
    assert resolve_target(argument, load_config(tmp_path)).url == f"http://{argument}"


@pytest.mark.parametrize("argument", ["user:1234", "localhost", "localhost:", "localhost:3000:4000", "a b.c:80"])
def test_what_is_no_host_and_port_is_a_name(argument: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is called"):
        resolve_target(argument, load_config(tmp_path))


def test_an_unknown_name_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r'no endpoint is called "stagin" \(did you mean "staging"\?\): .*loadsim\.toml has local, staging; a URL',
    ):
        resolve_target("stagin", config_of(tmp_path))
    with pytest.raises(UsageError, match="has no endpoints"):
        resolve_target("stagin", config_of(tmp_path, ""))
    (tmp_path / "loadsim.toml").unlink()
    with pytest.raises(UsageError, match=r"there is no loadsim\.toml here"):
        resolve_target("stagin", load_config(tmp_path))


@pytest.mark.parametrize(
    "argument", ["http://u:hunter2@h:1x/", "ftp://u:hunter2@h/", "h/?token=hunter2", "u:hunter2@h/x"]
)
def test_a_wrong_target_is_refused_without_its_credentials(argument: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_target(argument, load_config(tmp_path))
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[endpoint.x]\n", 'endpoint: unknown key; did you mean "endpoints"?'),
        ("endpoints = 3\n", "endpoints: expected a table, got a whole number"),
        ("[endpoints]\nx = 3\n", "endpoints.x: expected a table, got a whole number"),
        ('[endpoints."a.toml"]\nurl = "http://h/"\n', "endpoints.a.toml: this name would mean"),
        ('[endpoints.x]\nscheme = "trackpilots"\n', "endpoints.x.url: is missing"),
        ('[endpoints.x]\nurl = "h/"\n', "endpoints.x.url: needs an absolute URL"),
        (X + 'secret_envs = "A"\n', 'endpoints.x.secret_envs: unknown key; did you mean "secret_env"?'),
        (X + 'secret = "hunter2"\n', "endpoints.x.secret: a secret must not be in a file"),
        (X + 'scheme = "trackpilot"\n', 'did you mean "trackpilots"?'),
        (X + "timeout = 3\n", "endpoints.x.timeout: a duration is a text"),
        (X + 'events = "a"\n', "endpoints.x.events: expected a list, got a text"),
        (X + 'events = ["desktop.app"]\n', 'endpoints.x.events: no such event type: "desktop.app"'),
        ("[endpoints.x\n", "not TOML: "),
    ],
)
def test_a_wrong_config_ends_in_one_line(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        config_of(tmp_path, text)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'loadsim.toml'}: ")
    assert expected in line
    assert "\n" not in line
    assert "hunter2" not in line
