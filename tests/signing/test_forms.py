"""What a sender remembers of forms changes nothing: every form is read as the plain reader reads it."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.signing.forms import MOST_FIELDS, PLAIN_FORMS, Forms, RememberedForms, fields_of

PIECES = st.text("ab=+%4é1;", max_size=4) | st.sampled_from(["a=", "b=1", "c=%41", "%61=2", "a=%c3", "d=x+y"])


@given(st.text("ab=&+%2Cé;[] ", max_size=30))
def test_a_form_is_read_as_the_standard_library_reads_it(text: str) -> None:
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            fields_of(text.encode())
        return
    assert fields_of(text.encode()) == expected


def told(forms: Forms, body: bytes, name: str | None) -> bytes | str | None:
    try:
        return forms.sorted_text(body) if name is None else forms.value(body, name)
    except ValueError:
        return "not a form"


@given(
    layout=st.lists(st.sampled_from(["a", "b", "a1", "%61", "%62", "c+", "é", "a="]), min_size=1, max_size=5),
    rows=st.lists(st.lists(PIECES, min_size=5, max_size=5), min_size=3, max_size=12),
    others=st.lists(st.lists(PIECES, max_size=4).map("&".join), max_size=3),
    name=st.sampled_from([None, None, "a", "a1", "é", "c "]),
)
def test_what_is_remembered_changes_no_result(
    layout: list[str], rows: list[list[str]], others: list[str], name: str | None
) -> None:
    """Forms of one layout with any values, others among them; some values are the same in all."""
    forms = RememberedForms()
    bodies = ["&".join(f"{field}={value}" for field, value in zip(layout, row, strict=False)) for row in rows]
    for text in (*bodies, *others, *bodies):
        body = text.encode()
        assert told(forms, body, name) == told(PLAIN_FORMS, body, name)


def test_bytes_that_are_not_text_are_not_a_form() -> None:
    forms = RememberedForms()
    for value in (b"1", b"2", b"3", b"\xff", b"%ff", b"4"):
        assert told(forms, b"b=" + value + b"&a=x", None) == told(PLAIN_FORMS, b"b=" + value + b"&a=x", None)


def test_forms_of_one_layout_are_read_without_decoding_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = RememberedForms()
    bodies = [b"To=%2B1500&Sid=" + b"CA%03d" % number + b"&From=x" for number in range(9)]
    for body in bodies[:3]:
        forms.sorted_text(body)
    monkeypatch.setattr("loadsim.signing.forms.fields_of", None)
    assert forms.sorted_text(bodies[8]) == b"FromxSidCA008To+1500"


def test_many_layouts_and_long_forms_are_read_without_being_remembered() -> None:
    forms = RememberedForms()
    for number in range(200):
        body = b"n%d=1&a=%d" % (number, number)
        assert forms.sorted_text(body) == PLAIN_FORMS.sorted_text(body)
    assert len(forms._readers[None]._seen) < 20
    long = b"&".join(b"f%d=%d" % (number, number) for number in range(MOST_FIELDS))
    assert forms.sorted_text(long) == PLAIN_FORMS.sorted_text(long)
    with pytest.raises(ValueError, match="too many"):
        forms.sorted_text(long + b"&one=more")
