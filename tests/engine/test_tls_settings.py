"""The client's TLS files: each that cannot be used is named in one line, and nothing is asked on the terminal."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from loadsim.engine.tls_settings import Trust, client_context
from loadsim.model import Secret, UsageError
from tests.cli.certificates import authority, encrypted


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("trust")
    made = authority(where, "authority")
    for name in ("mine", "other"):
        made.issue(name, usage="clientAuth")
    encrypted("sesame", where / "mine.key", where / "locked.key")
    (where / "both.pem").write_bytes(made.certificate.read_bytes() + (where / "locked.key").read_bytes())
    (where / "empty").touch()
    return where


@pytest.mark.parametrize(
    ("cert", "key", "password", "at_fault", "why"),
    [
        ("mine.pem", "locked.key", None, "locked.key", "the client key is encrypted.*--key-password-env NAME"),
        ("both.pem", None, None, "both.pem", "the client key is encrypted"),
        ("mine.pem", "locked.key", "wrong", "locked.key", "the pass phrase does not open the client key"),
        ("mine.pem", "locked.key", "x" * 2000, "locked.key", "the pass phrase does not open the client key"),
        ("mine.pem", "other.key", None, "other.key", "does not belong to the client certificate .*mine.pem"),
        ("mine.pem", "empty", None, "empty", "cannot be used as a client key: not in PEM form"),
        ("empty", "mine.key", None, "empty", "cannot be used as a client certificate: not in PEM form"),
        ("mine.pem", "missing", None, "missing", "cannot be used as a client key: no such file"),
        ("missing", "mine.key", None, "missing", "cannot be used as a client certificate: no such file"),
        ("mine.pem", ".", None, "", "cannot be used as a client key: is a directory"),
    ],
)
def test_the_file_that_is_at_fault_is_named(
    files: Path, cert: str, key: str | None, password: str | None, at_fault: str, why: str
) -> None:
    trust = Trust(
        cert=str(files / cert),
        key=None if key is None else str(files / key),
        password=None if password is None else Secret(password),
    )
    with pytest.raises(UsageError, match=f"^{files / at_fault}: .*{why}") as caught:
        client_context(trust, ssl.SSLContext)
    assert "\n" not in str(caught.value)
    assert password is None or password not in str(caught.value)


def test_an_encrypted_key_opens_with_its_pass_phrase(files: Path) -> None:
    trust = Trust(cert=str(files / "mine.pem"), key=str(files / "locked.key"), password=Secret("sesame"))
    assert client_context(trust, ssl.SSLContext).verify_mode == ssl.CERT_REQUIRED


def test_keys_are_logged_where_the_environment_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert client_context(Trust(), ssl.SSLContext).keylog_filename == str(tmp_path / "keys")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys"))
    with pytest.raises(UsageError, match=r"SSLKEYLOGFILE: cannot write .*keys: no such file"):
        client_context(Trust(), ssl.SSLContext)
