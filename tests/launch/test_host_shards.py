"""What travels to a host."""

from __future__ import annotations

import pickle

from loadsim.launch.host_shards import Sealed


def test_what_is_sealed_shows_in_no_log_and_travels_whole() -> None:
    sealed = Sealed(b"whsec_never")
    assert "whsec" not in f"{sealed!r} {sealed} {(sealed,)} { {1: sealed} }"
    assert pickle.loads(pickle.dumps(sealed)).data == b"whsec_never"  # noqa: S301 - our own
