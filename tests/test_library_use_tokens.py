"""The verifiers of tokens on `docs/verify-in-your-code.md`: they accept what is sent, and no forgery."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadsim.cases import RequestMaker
from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.model import Secret
from loadsim.plan import Case, EventMix
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme
from loadsim.signing.asymmetric import KeyPair
from tests.documents import FILES
from tests.test_library_use import application

EVENTS = {"netlify": "netlify.deploy_created", "plaid": "plaid.TRANSACTIONS.SYNC_UPDATES_AVAILABLE"}
SECRETS = {name: new_secret(scheme(name)) for name in EVENTS}
NODE = """
import { netlifyRefusal } from "./verify_token.mjs";
import { readFileSync } from "node:fs";
const [secret, all] = JSON.parse(readFileSync(0));
const status = ([headers, body]) => (netlifyRefusal(secret, headers, Buffer.from(body)) ?? [200])[0];
console.log(JSON.stringify(all.map(status)));
"""


def deliveries(name: str) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Genuine ones and every case that must be refused, by case."""
    found = scheme(name)
    kinds = [kind for kind, case in CASE_KINDS.items() if case.expect == "refuse" and not case.problem(found)]
    kinds = [kind for kind in kinds if kind not in ("wrong_content_type", "malformed_json", "body_over_limit")]
    cases = [Case(kind=kind, share=0.01) for kind in kinds]
    made = RequestMaker(
        [EventMix(type=EVENTS[name])], found, SECRETS[name], 7, cases=cases, old_secret=new_secret(found)
    )
    for index in range(0, 40, 2):
        for number, kind in enumerate(["", *kinds]):
            request = made.make(index + bool(number), number, time.time_ns())
            yield kind, {key.lower(): value for key, value in request.header_pairs()}, request.body


@pytest.mark.parametrize("name", EVENTS)
def test_python(name: str) -> None:
    refusal = getattr(application("verify_token.py"), f"{name}_refusal")
    key = SECRETS[name]
    if name == "plaid":
        key = Secret(KeyPair("ecdsa-p256", key, name).public_text("pem"))
    for kind, headers, body in deliveries(name):
        assert (refusal(key.reveal(), headers, body) is not None) == bool(kind), kind


@pytest.mark.needs("node")
def test_node(tmp_path: Path) -> None:
    (tmp_path / "verify_token.mjs").write_text(FILES["verify_token.mjs"].text, encoding="utf-8")
    (tmp_path / "ask.mjs").write_text(NODE, encoding="utf-8")
    asked = list(deliveries("netlify"))
    question = json.dumps([SECRETS["netlify"].reveal(), [(headers, body.decode()) for _, headers, body in asked]])
    done = subprocess.run(
        ["node", "ask.mjs"], cwd=tmp_path, input=question, capture_output=True, text=True, check=True, timeout=60
    )
    answers = json.loads(done.stdout)
    assert [status == 200 for status in answers] == [not kind for kind, *_ in asked]
