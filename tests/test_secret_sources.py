"""Secrets and header values from variables and files; and the one line that each failure ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.model import UsageError
from loadsim.secret_sources import read_key_password, read_secret, resolve_headers


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
    monkeypatch.setattr("loadsim.secret_sources._said", set())
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
