"""A test that needs a program skips without it, and fails where nothing may be skipped."""

from __future__ import annotations

import pytest

from tests.conftest import REQUIRE, is_there, pytest_runtest_setup

ONE_THAT_IS_THERE, ONE_THAT_IS_NOT = "python3", "no-such-program"


@pytest.fixture
def demanding(request: pytest.FixtureRequest) -> pytest.Item:
    """A test that needs one program that is there and one that is not."""
    item = request.node
    assert isinstance(item, pytest.Item)
    item.add_marker(pytest.mark.needs(ONE_THAT_IS_THERE, ONE_THAT_IS_NOT))
    return item


def test_a_missing_program_is_a_reason_to_skip(demanding: pytest.Item, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"needs {ONE_THAT_IS_NOT}: not installed"):
        pytest_runtest_setup(demanding)


def test_where_everything_is_required_it_is_a_failure(demanding: pytest.Item, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE, "all")
    with pytest.raises(pytest.fail.Exception, match=ONE_THAT_IS_NOT):
        pytest_runtest_setup(demanding)


def test_programs_are_found_by_their_name() -> None:
    assert is_there("bash")
    assert not is_there("no-such-header.h")
    assert not is_there(ONE_THAT_IS_NOT)
