"""GitHub's published samples as a capture: 329 bodies of 58 types, each sent and reported as what it is."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loadsim.signing import scheme
from tests.run.test_captures import SECRET, capture, scenario, sent, spec_of

PACKAGE = Path(__file__).parent.parent / "signing" / "node" / "node_modules" / "@octokit" / "webhooks-examples"


def samples() -> list[tuple[str, str]]:
    """The type and the body of each."""
    if not PACKAGE.is_dir():
        if os.environ.get("LOADSIM_REQUIRE") == "all":  # noqa: TID251 - as in conftest
            pytest.fail("needs the packages of tests/signing/node: npm install there", pytrace=False)
        pytest.skip("needs the packages of tests/signing/node: npm install there")
    document: list[dict[str, Any]] = json.loads((PACKAGE / "api.github.com" / "index.json").read_text("utf-8"))
    return [(each["name"], json.dumps(example)) for each in document for example in each["examples"]]


def test_each_is_sent_and_reported_as_what_it_is(tmp_path: Path) -> None:
    published = samples()
    assert (len(published), len(dict(published))) == (329, 58)
    path = capture(tmp_path / "github.ndjson", *({"type": name, "body": body} for name, body in published))
    spec = spec_of(scenario(path))
    assert set(spec.plan().types) == set(dict(published))
    events = sent(spec, 2 * len(published))
    assert Counter((name, body.decode()) for name, _, body in events) == Counter(2 * published)
    verifier = scheme("github").verifier(SECRET)
    for name, headers, body in events:
        assert headers["X-GitHub-Event"] == name
        assert verifier.verify({key.lower(): value for key, value in headers.items()}, body, 0) is None
