"""Two secrets at once: until the old one ends either is accepted; the clock is that of the first request."""

from __future__ import annotations

import pytest

from loadsim.model import Secret
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from loadsim.receiver.secret_rotation import Rotating
from loadsim.signing import Rejection, scheme
from tests.conftest import slow_but
from tests.receiver.raw_client import BODY, SECRET, exchange, request, signature

NOW_S = 1_746_123_456
OLD, STRANGER = Secret("the old one"), Secret("of nobody")


def signed(secret: Secret) -> dict[str, str]:
    lines = scheme("trackpilots").signer(secret).headers(BODY, NOW_S * 10**9, "").decode().splitlines()
    return {name.lower(): value for name, value in (line.split(": ") for line in lines)}


@pytest.mark.parametrize(
    ("age", "retire", "refused"),
    [
        (0, 5, {STRANGER}),
        (4, 5, {STRANGER}),
        (5, 5, {OLD, STRANGER}),
        (10**18, None, {STRANGER}),
        (0, 0, {OLD, STRANGER}),
    ],
)
def test_the_old_secret_ends_at_its_instant(age: int, retire: int | None, refused: set[Secret]) -> None:
    new, old = (scheme("trackpilots").verifier(secret) for secret in (SECRET, OLD))
    rotating = Rotating(new, old, lambda: age, retire)
    for secret in (SECRET, OLD, STRANGER):
        reason = Rejection.wrong_signature if secret in refused else None
        assert rotating.verify(signed(secret), BODY, NOW_S) == reason


async def statuses(options: ReceiverOptions, *secrets: Secret) -> list[int]:
    async with await start_receiver(options, SECRET, old_secret=OLD) as running:
        return [(await exchange(running.port, request(headers=signature(secret=secret)))).status for secret in secrets]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workers", slow_but([2], [1, 2]))
async def test_a_receiver_drops_the_old_secret_so_long_after_its_first_request(engine: Engine, workers: int) -> None:
    # The first request is at the age of nothing, every later one is older than a nanosecond.
    at_once = ReceiverOptions(engine=engine, workers=workers, retire_ns=1, admin=None)
    assert await statuses(at_once, OLD, *[OLD, SECRET] * 3) == [200, *[401, 200] * 3]


async def test_a_receiver_that_never_retires_it_keeps_it() -> None:
    assert await statuses(ReceiverOptions(engine="bare", admin=None), OLD, SECRET, OLD, STRANGER) == [
        200,
        200,
        200,
        401,
    ]
