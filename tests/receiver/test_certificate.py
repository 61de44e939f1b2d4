"""The certificate that a receiver serves, and the fetch of a provider's, on loopback."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from loadsim.model import Secret, UsageError
from loadsim.receiver.certificate_fetch import LARGEST, fetched
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ENGINES, ReceiverOptions
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme
from loadsim.signing.asymmetric import KeyPair
from loadsim.signing.certificates import read_certificate
from tests.cli.loopback import serving


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_receiver_serves_the_certificate_of_its_key(engine: str) -> None:
    secret = new_secret(scheme("aws-sns"))
    options = ReceiverOptions(scheme="aws-sns", engine=engine, admin=None, workers=2)  # type: ignore[arg-type]  # of ENGINES
    async with await start_receiver(options, secret) as running:
        url = running.certificate_url
        assert url == f"http://127.0.0.1:{running.port}/certificate.pem"
        texts = {await asyncio.to_thread(fetched, url) for _ in range(8)}
    assert len(texts) == 1, "every worker serves the same"
    (text,) = texts
    assert text is not None
    assert read_certificate(text).public_key == KeyPair("rsa-sha256", secret, "aws-sns").public_text("pem")


async def test_other_receivers_serve_none() -> None:
    async with await start_receiver(ReceiverOptions(scheme="github", admin=None), Secret("s")) as running:
        assert running.certificate_url is None
        assert await asyncio.to_thread(fetched, f"http://127.0.0.1:{running.port}/certificate.pem") is None
    public = Secret(KeyPair("rsa-sha256", new_secret(scheme("paypal")), "paypal").public_text("pem"))
    async with await start_receiver(ReceiverOptions(scheme="paypal", admin=None), public) as running:
        assert running.certificate_url is None, "a public key has no certificate of its own"
    with pytest.raises(UsageError, match="fetch-certificates: deliveries of scheme github name no certificate"):
        await start_receiver(ReceiverOptions(scheme="github", admin=None, fetch_certificates=True), Secret("s"))


async def test_a_fetch_follows_no_redirect_and_reads_no_more_than_a_certificate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/good":
                return web.Response(text="a certificate")
            case "/redirect":
                return web.Response(status=302, headers={"Location": "/good"})
            case "/long":
                return web.Response(text="x" * (LARGEST + 1))
            case _:
                return web.Response(status=404)

    with serving(answer) as url:
        found = {path: await asyncio.to_thread(fetched, url + path) for path in ("/good", "/redirect", "/long", "/no")}
    assert found == {"/good": "a certificate", "/redirect": None, "/long": None, "/no": None}
    assert await asyncio.to_thread(fetched, "http://127.0.0.1:9/refused") is None
