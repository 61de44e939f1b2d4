"""Nothing forged gets past the verifier of any scheme: a small part of what `tests.benchmarks.forgeries` does."""

from __future__ import annotations

import pytest

from loadsim.model import Secret
from loadsim.signing import Scheme, scheme_names
from tests.benchmarks.forgeries import attack
from tests.conftest import DEAR, slow_but

OTHER = Secret("another one")


@pytest.mark.parametrize("name", slow_but(set(scheme_names()) - set(DEAR), scheme_names()))
def test_nothing_forged_is_accepted_and_all_that_is_genuine(name: str) -> None:
    found = attack(name, 300, 7)
    assert found["accepted"] == {}
    assert found["genuine_refused"] == 0
    assert len(found["sent"]) > 15


def test_a_verifier_that_accepts_everybody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless:
        header_names = ()

        def verify(self, *_: object) -> None:
            return None

    monkeypatch.setattr(Scheme, "verifier", lambda *_, **__: Careless())
    found = attack("github", 300, 7)
    assert sum(found["accepted"].values()) == sum(found["sent"].values()) >= 300


def test_a_verifier_that_refuses_everybody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = Scheme.verifier
    monkeypatch.setattr(Scheme, "verifier", lambda self, _, *args, **keys: genuine(self, OTHER, *args, **keys))
    assert attack("github", 300, 7)["genuine_refused"] > 0
