"""Packed texts: harmless in a page, and unpacked as they were. That `page.js` unpacks them, test_browser.py shows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.report.packed_text import DIGITS, packed
from tests.report.test_html_page import unpacked


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_comes_out_as_it_went_in(text: str) -> None:
    assert unpacked(packed(text)) == text


def test_no_character_can_begin_or_end_an_element() -> None:
    noise = np.random.Generator(np.random.Philox(0)).bytes(20_000).decode("latin-1")
    length, _, digits = packed(noise).partition(" ")
    assert length.isdigit()
    assert set(digits.replace(" ", "").encode()) == set(DIGITS), "all are used"
    assert not set(digits) & set("<>&\n")
    assert " " in digits
    assert "##" not in digits, "a CI runner would take ##word[ for a command"
