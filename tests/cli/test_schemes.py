"""`loadsim schemes`: the list, one scheme, and why a delivery does not verify."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from loadsim.model import Secret
from loadsim.signing import CUSTOM, scheme, scheme_names
from loadsim.signing.certificates import read_certificate

from .running import Run

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_S = 1_746_123_456
BODY = b'{"a": 1}'
CUSTOM_TABLE = 'headers = ["Acme: {signature}"]\nsigned = "v1{body}"\n'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", SECRET)
    (tmp_path / "body").write_bytes(BODY)
    return Run(monkeypatch, capsys)


def header_lines(name: str, **keys: str) -> list[str]:
    signer = scheme(name).signer(Secret(SECRET), event="a.b", **keys)
    return signer.headers(BODY, NOW_S * 10**9, "id-7").decode().rstrip().split("\r\n")


def verify(run: Run, name: str, *arguments: str, lines: list[str] | None = None, now: float = NOW_S) -> tuple[int, str]:
    given = [part for line in lines or () for part in ("-H", line)]
    common = ("--body-file", "body", "--secret-env", "SECRET", "--now", str(now))
    ran = run("schemes", "verify", name, *given, *common, *arguments)
    assert SECRET not in ran.out + ran.err
    assert SECRET.removeprefix("whsec_") not in ran.out + ran.err
    return ran.code, ran.out + ran.err


def test_the_list_has_every_scheme_on_its_own_line(run: Run) -> None:
    rows = [line.split("\t") for line in run("schemes").out.splitlines()]
    assert [row[0] for row in rows] == list(scheme_names())
    assert rows[0][1:] == [
        "X-Webhook-Signature, X-Webhook-Timestamp",
        "HMAC-SHA256 of {timestamp}.{body} in hex",
        "±300 s",
        "the secret verbatim",
        "not confirmed",
    ]


@pytest.mark.parametrize("name", scheme_names())
def test_one_scheme_is_shown(run: Run, name: str) -> None:
    ran = run("schemes", "show", name)
    assert ran.code == 0
    assert scheme(name).formula in ran.out
    assert all(f"{header}: {value}" in ran.out for header, value in scheme(name).header_templates())


@pytest.mark.parametrize("name", ["trackpilots", "stripe", "github", "standard-webhooks", "twitch"])
def test_a_genuine_delivery_is_verified(run: Run, name: str) -> None:
    code, text = verify(run, name, lines=header_lines(name))
    assert code == 0
    assert text.startswith("verified: ")


@pytest.mark.parametrize("form", ["lines", "json", "request"])
def test_headers_come_from_a_file_in_any_of_its_forms(run: Run, form: str) -> None:
    lines = header_lines("trackpilots")
    texts = {
        "lines": "\n".join(lines) + "\n",
        "json": json.dumps(dict(line.split(": ", 1) for line in lines)),
        "request": "POST /hooks HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n",
    }
    Path("headers").write_bytes(texts[form].encode())
    assert verify(run, "trackpilots", "--headers", "headers")[0] == 0


def test_a_refusal_is_explained_and_ends_with_99(run: Run) -> None:
    lines = header_lines("trackpilots")
    code, text = verify(run, "trackpilots", lines=lines, now=NOW_S + 301)
    assert code == 99
    assert text.startswith("refused (stale): the timestamp is too old: signed 5.0 min ago, 1 s outside the window")
    assert verify(run, "trackpilots", "--tolerance", "10m", lines=lines, now=NOW_S + 301)[0] == 0
    assert verify(run, "trackpilots", lines=lines[1:]) == (
        99,
        "refused (missing timestamp): the header X-Webhook-Timestamp is missing\n",
    )
    Path("body").write_bytes(b'{"a":1}')
    code, text = verify(run, "trackpilots", lines=lines)
    assert (code, "JSON with spaces" in text) == (99, True)


def test_a_signed_url_and_a_scheme_of_the_users_own(run: Run) -> None:
    url = "https://example.test/hooks"
    lines = header_lines("square", url=url)
    assert verify(run, "square", "--url", url, lines=lines)[0] == 0
    code, text = verify(run, "square", "--url", url.replace("https", "http"), lines=lines)
    assert (code, "with https://" in text) == (99, True)
    Path("acme.toml").write_text(CUSTOM_TABLE)
    table = {"headers": ["Acme: {signature}"], "signed": "v1{body}"}
    signed = scheme(CUSTOM, table).signer(Secret(SECRET)).headers(BODY, 0, "").decode().strip()
    assert verify(run, "custom", "--custom", "acme.toml", lines=[signed])[0] == 0
    Path("acme.toml").write_text('name = "s"\n[target]\nscheme = "custom"\n[target.custom]\n' + CUSTOM_TABLE)
    assert verify(run, "custom", "--custom", "acme.toml", lines=[signed])[0] == 0
    assert "custom" in run("schemes", "show", "custom", "--custom", "acme.toml").out


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("githob", ["-H", "A: b"], 'did you mean "github"?'),
        ("github", [], "no headers: give them with --headers FILE"),
        ("github", ["-H", "nonsense"], "header 1 is not written 'Name: value'"),
        ("github", ["--headers", "nowhere"], "cannot read nowhere"),
        ("square", ["-H", "A: b"], "scheme square signs the URL too: give the one that the sender uses with --url"),
        ("github", ["-H", "A: b", "--now", "soon"], "--now soon: write unix seconds or ISO 8601"),
        ("github", ["-H", "A: b", "--tolerance", "5"], "--tolerance: '5' has no unit"),
        ("github", ["-H", "A: b", "--secret-env", "NOT_SET"], "NOT_SET is not set"),
        ("custom", ["-H", "A: b"], 'scheme "custom" needs a description'),
    ],
)
def test_what_is_wrong_in_the_command_ends_with_2(run: Run, name: str, arguments: list[str], message: str) -> None:
    code, text = verify(run, name, *arguments)
    assert code == 2
    assert message in text


def test_the_body_may_come_on_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BODY)))
    Path("body").unlink()
    assert verify(run, "github", "--body-file", "-", lines=header_lines("github"))[0] == 0


def test_what_is_wrong_with_a_token_is_one_line(run: Run) -> None:
    lines = header_lines("netlify")
    code, text = verify(run, "netlify", lines=lines)
    said = "verified: the token belongs to this body and key; it holds no time, so a replay looks the same"
    assert (code, text) == (0, f"{said}\n")
    Path("body").write_bytes(b"{}")
    code, text = verify(run, "netlify", lines=lines)
    assert (code, len(text.splitlines())) == (99, 1)
    assert text.startswith("refused (wrong signature): the claim sha256 is that of another body: the body was changed")
    url = "https://example.test/hooks"
    lines = header_lines("monday", url=url)
    code, text = verify(run, "monday", "--url", "https://b.test/", lines=lines)
    said = f"the claim aud is '{url}', not 'https://b.test/': it was made for another audience"
    assert (code, text) == (99, f"refused (wrong claim): {said}\n")
    code, text = verify(run, "monday", "--url", url, lines=lines, now=NOW_S + 600)
    assert text.startswith("refused (stale): the token has expired: exp was 5.0 min ago")


def test_a_new_key_pair_for_tokens_is_shown_as_a_jwk(run: Run) -> None:
    ran = run("schemes", "new-key", "plaid", "--out", "key.pem")
    jwk = json.loads(ran.out.partition("jwk: ")[2])
    assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"]) == ("EC", "P-256", "ES256", "sig")
    assert jwk["kid"] == "bfbd5111-8e33-4643-8ced-b2e642a72f3c"
    assert "d" not in jwk, "the private key"
    assert "any text is a secret" in run("schemes", "new-key", "netlify", "--out", "other.pem").err


@pytest.mark.parametrize("name", ["discord", "sendgrid"])
def test_a_new_key_pair_is_written_and_its_public_key_shown(run: Run, name: str) -> None:
    ran = run("schemes", "new-key", name, "--out", "key.pem")
    assert ran.code == 0
    private = Path("key.pem")
    assert private.stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in ran.out
    assert private.read_text(encoding="utf-8").startswith("-----BEGIN PRIVATE KEY-----")
    public = Secret(ran.out[: ran.out.index("hex: ")])
    own = scheme(name).signer(Secret(private.read_text(encoding="utf-8")))
    lines = own.headers(b"{}", 10**18, "").decode().split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    assert scheme(name).verifier(public).verify(headers, b"{}", 10**9) is None
    again = run("schemes", "new-key", name, "--out", "key.pem")
    assert (again.code, "exists already" in again.err) == (2, True)
    assert run("schemes", "new-key", "github", "--out", "g.pem").code == 2


def test_a_new_key_has_a_certificate_where_deliveries_name_one(run: Run) -> None:
    ran = run("schemes", "new-key", "aws-sns", "--out", "key.pem", "--certificate", "certificate.pem")
    assert ran.code == 0
    text = Path("certificate.pem").read_text(encoding="utf-8")
    assert read_certificate(text).public_key == ran.out[: ran.out.index("hex: ")]
    assert "PRIVATE" not in text
    refused = run("schemes", "new-key", "discord", "--out", "d.pem", "--certificate", "d-certificate.pem")
    assert (refused.code, "scheme discord name no certificate" in refused.err) == (2, True)
    assert not Path("d.pem").exists()


def test_where_it_is_documented_is_shown(run: Run) -> None:
    shown = run("schemes", "show", "paypal")
    assert "documented  developer.paypal.com/" in shown.out
    assert "certificate https://api.paypal.com/v1/notifications/certs/*" in shown.out
