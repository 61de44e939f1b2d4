"""An endpoint whose secret was copied from documentation: the key is named, and judged by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.cases.key_cases import PUBLISHED
from loadsim.model import Secret, case_kind
from loadsim.report.findings import ACCEPTED
from loadsim.signing import scheme

from .loopback import serving
from .running import Run

NOW_S = 1_746_123_456
SCENARIO = """name = "s"
objectives = ["forged_accepted{{case:{kind}}}: count == 0"]
[target]
url = "{url}"
[[cases]]
kind = "{kind}"
share = 0.8
[[phases]]
name = "p"
connections = 2
events = 200
"""


def verifying(secret: str, read: Callable[[str], str] = lambda text: text) -> Any:
    """An endpoint; `read` is what it makes of a signature."""
    verifier = scheme("trackpilots").verifier(Secret(secret), 0)

    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers["x-webhook-signature"] = read(headers.get("x-webhook-signature", ""))
        rejection = verifier.verify(headers, await request.read(), NOW_S)
        return web.Response(status=200 if rejection is None else 401)

    return handle


def judged(run: Run, folder: Path, kind: str, handler: Any) -> tuple[list[str], dict[str, Any]]:
    """The lines of the report that name the kind or a check that fails open, and the result."""
    with serving(handler) as url:
        (folder / "s.toml").write_text(SCENARIO.format(url=url, kind=kind))
        ran = run("run", "s.toml", "--json", "result.json")
    assert ran.code == 99, ran.err
    said = " ".join(ran.out.split()).split("• ")  # however it is broken into lines
    found = [line for line in said if f"{kind}." in line or "some of the time" in line]
    result: dict[str, Any] = orjson.loads((folder / "result.json").read_bytes())
    return found, result


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("where", "words"), [("slack", "Slack's documentation"), ("test", "the placeholder whsec_test")]
)
def test_the_key_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, words: str) -> None:
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", PUBLISHED[where])
    lines, result = judged(run, tmp_path, "documentation_key", verifying(PUBLISHED[where]))
    of_key = result["by_case_part"][f"documentation_key.{where}"]
    assert of_key["forged_accepted"] == of_key["sent"] > 0
    assert result["by_case"]["documentation_key"]["forged_accepted"] == of_key["sent"]
    assert (
        sum(part["sent"] for part in result["by_case_part"].values()) == result["by_case"]["documentation_key"]["sent"]
    )
    (line,) = lines
    assert words in line
    assert "the secret was copied from documentation" in line


def test_a_way_of_malforming_a_signature_is_named_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "s3cret")
    lines, _ = judged(run, tmp_path, "malformed_signature", verifying("s3cret", lambda text: text.removesuffix("*")))
    (line,) = lines
    assert "signatures followed by another byte are accepted" in line


def test_every_part_of_a_kind_that_must_be_refused_has_its_words() -> None:
    parts = {name for name, kind in CASE_KINDS.items() if case_kind(name) != name and kind.expect == "refuse"}
    assert {case_kind(part) for part in parts} >= {"documentation_key", "malformed_signature", "jwt_forgery"}
    assert parts <= set(ACCEPTED)
