"""What is hidden of a scenario's credentials, and that nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret
from loadsim.plan import (
    from_document,
    redact_headers,
    redact_url,
    redacted,
)
from loadsim.plan.redact import conceal, secrets_in
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


def test_what_could_be_repeated_of_a_url_and_of_keys_is_looked_for() -> None:
    url = "https://bob:p%40ssword@host.test/a?route=long-enough&token=four&env=test#f"
    found = secrets_in({}, url=url, keys=(Secret("whsec_abcdefgh"), None))
    assert set(found) == {
        *("bob:p%40ssword", "p%40ssword", "p@ssword", "bob:p@ssword", "Ym9iOnBAc3N3b3Jk"),
        *("long-enough", "four", "whsec_abcdefgh", "abcdefgh"),
    }
    assert list(found) == sorted(found, key=lambda text: (-len(text), text))
    assert secrets_in({}, url="http://host.test/a?env=test") == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no secret-value here", "no *** here"),
        ("secret-valuesecret-valu", "******"),
        ("it ends in secr", "it ends in ***"),
        ("it ends in sec", "it ends in sec"),
        ("secr", "***"),
        ("", ""),
    ],
)
def test_a_value_that_the_end_of_a_text_cuts_is_concealed_too(text: str, shown: str) -> None:
    assert conceal(text, ("secret-value", "other")) == shown
