"""What is hidden of a scenario's credentials, and that nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.plan import (
    from_document,
    redact_headers,
    redact_url,
    redacted,
)
from tests.plan.support import HEAD, STEADY, load


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.test/a?x=1", "https://example.test/a?x=***"),
        ("https://u:p@example.test/a", "https://***@example.test/a"),
        ("https://u:p@w@example.test", "https://***@example.test"),
        ("https://example.test/a?x=1&y=&z&=q#frag", "https://example.test/a?x=***&y=***&***&=***#***"),
        ("https://example.test/a?x=1?y=2;z=3", "https://example.test/a?x=***"),
        ("u:p@example.test/a?t=1", "***@example.test/a?t=***"),
        ("https://example.test?a=b@c/d", "https://example.test?a=***"),
        ("http://[::1", "http://[::1"),
        ("embedded", "embedded"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_user_and_query_values(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(max_size=60))
def test_redacting_a_url_never_raises_and_is_stable(url: str) -> None:
    once = redact_url(url)
    assert redact_url(once) == once


def test_values_of_telling_headers_are_hidden() -> None:
    hidden = [
        "Authorization",
        "proxy-authorization",
        "COOKIE",
        "Set-Cookie",
        "X-Api-Key",
        "x-auth-token",
        "My-Secret-2",
    ]
    shown = ["Content-Type", "X-Webhook-Signature", "User-Agent"]
    result = redact_headers(dict.fromkeys(hidden + shown, "v"))
    assert {name for name, value in result.items() if value == "***"} == set(hidden)
    assert {name for name, value in result.items() if value == "v"} == set(shown)


def test_a_redacted_document_holds_no_credential_and_leaves_the_original_alone() -> None:
    text = HEAD.replace("embedded", "https://u:hunter2@example.test/?k=hunter2") + (
        'public_url = "https://example.test/?k=hunter2"\nledger = "http://h/?k=hunter2"\n'
        'headers = { Authorization = "Bearer hunter2", Accept = "*/*" }\n' + STEADY
    )
    document = load(text).document()
    shown = redacted(document)
    assert "hunter2" not in json.dumps(shown)
    assert shown["target"]["headers"] == {"Authorization": "***", "Accept": "*/*"}
    assert document["target"]["headers"]["Authorization"] == "Bearer hunter2"
    assert from_document(shown, "result").phases == load(text).phases
