"""Reading the outside world: endpoints, secrets, headers, files; and the one line that each failure ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.model import UsageError
from loadsim.plan import override, quick_scenario
from loadsim.settings import (
    Config,
    load_config,
    read_bytes_file,
    read_key_password,
    read_secret,
    read_text_file,
    resolve_headers,
    resolve_target,
)

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


def test_a_secret_comes_from_the_named_variable_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "whsec_mine")
    monkeypatch.setenv("DEFAULT", "whsec_default")
    assert read_secret(secret_env="MINE", secret_file=None, default_env="DEFAULT").reveal() == "whsec_mine"
    assert read_secret(secret_env=None, secret_file=None, default_env="DEFAULT").reveal() == "whsec_default"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"whsec_x", "whsec_x"),
        (b"whsec_x\n", "whsec_x"),
        (b"whsec_x\r\n", "whsec_x"),
        (b"a\n\n", "a\n"),
        (b" a ", " a "),
        (b"\xef\xbb\xbfa\n", "a"),
    ],
)
def test_a_secret_file_loses_one_newline_at_its_end(content: bytes, secret: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert read_secret(secret_env=None, secret_file=path, default_env="DEFAULT").reveal() == secret


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_variable_loses_one_newline_at_its_end_and_that_is_said_once(
    end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("loadsim.settings._said", set())
    monkeypatch.setenv("MINE", f"hunter2{end}")
    for _ in range(2):
        assert read_secret(secret_env="MINE", secret_file=None, default_env=None).reveal() == "hunter2"
    assert resolve_headers({"Authorization": "env:MINE"}) == {"Authorization": "hunter2"}
    password = read_key_password("MINE")
    assert password is not None
    assert password.reveal() == "hunter2"
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": the environment")[0] for line in lines] == [
        "loadsim: the signing secret",
        "loadsim: the header Authorization",
        "loadsim: the pass phrase of the client key",
    ]
    assert all("MINE ends in a newline" in line and "hunter2" not in line for line in lines)
    monkeypatch.setenv("MINE", end)
    with pytest.raises(UsageError, match="MINE is empty"):
        read_secret(secret_env="MINE", secret_file=None, default_env=None)


def test_a_missing_secret_says_which_variable_to_set_and_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(UsageError, match=r"NOWHERE is not set; set it with: export NOWHERE=.*--secret-file PATH"):
        read_secret(secret_env=None, secret_file=None, default_env="NOWHERE")
    monkeypatch.setenv("NOWHERE", "")
    with pytest.raises(UsageError, match="NOWHERE is empty"):
        read_secret(secret_env="NOWHERE", secret_file=None, default_env=None)
    with pytest.raises(UsageError, match="keep one of them"):
        read_secret(secret_env="A", secret_file="b", default_env=None)
    with pytest.raises(UsageError, match="name its variable"):
        read_secret(secret_env=None, secret_file=None, default_env=None)
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    with pytest.raises(UsageError, match="empty is empty: an empty key"):
        read_secret(secret_env=None, secret_file=tmp_path / "empty", default_env=None)
    with pytest.raises(UsageError, match=r"cannot read .*absent: no such file"):
        read_secret(secret_env=None, secret_file=tmp_path / "absent", default_env=None)


def test_a_secret_in_place_of_its_variable_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        read_secret(secret_env="hunter2+/=", secret_file=None, default_env=None)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("ODD", "hunter2\udcff")
    with pytest.raises(UsageError, match="ODD is not UTF-8") as caught:
        read_secret(secret_env="ODD", secret_file=None, default_env=None)
    assert "hunter2" not in str(caught.value)


def test_headers_take_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "Bearer hunter2")
    headers = resolve_headers({"Authorization": "env:TOKEN", "Accept": "*/*"})
    assert headers == {"Authorization": "Bearer hunter2", "Accept": "*/*"}
    monkeypatch.delenv("TOKEN")
    with pytest.raises(UsageError, match=r"the header Authorization: the environment variable TOKEN is not set"):
        resolve_headers({"Authorization": "env:TOKEN"})
    monkeypatch.setenv("TOKEN", "hunter2\r\nX: y")
    with pytest.raises(UsageError, match="holds a line break") as caught:
        resolve_headers({"Authorization": "env:TOKEN"})
    assert "hunter2" not in str(caught.value)


def test_an_unreadable_file_is_one_line_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    for path, reason in (
        (tmp_path / "absent.toml", "no such file or directory"),
        (tmp_path, "is a directory"),
        (tmp_path / "latin", r"not UTF-8 text \(byte 3\)"),
        (Path("a\0b"), "no file can have such a name"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            read_text_file(path)
        assert "\n" not in str(caught.value)
    assert read_bytes_file(tmp_path / "latin") == b"caf\xe9"
