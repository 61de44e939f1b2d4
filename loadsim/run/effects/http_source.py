"""Effects over HTTP: `GET URL?run=ID&after=CURSOR&limit=1000` gives a page of JSON (see docs/effects.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from loadsim.plan.headers import Headers, header_pairs
from loadsim.plan.redact import conceal, redact_url, secrets_in
from loadsim.run.effects.source import MOST_ROWS, Effect, GapError, Reading, columns, count_of, instant_ns
from loadsim.run.reconcile import whole_body, why_unreadable

if TYPE_CHECKING:
    from aiohttp import ClientSession

LARGEST_PAGE = 1 << 20
LONGEST_CURSOR = 256
TIMEOUT_S = 10.0
_SHOWN = 200


class _Page(msgspec.Struct):
    cursor: str
    effects: list[Effect]
    now: float | str | None = None
    backlog: int | None = None


_decoder = msgspec.json.Decoder(_Page)


class HttpSource:
    """Pages of effects at a URL; see Source."""

    def __init__(self, url: str, headers: Headers, run: str) -> None:
        self.place = redact_url(url)
        self._url, self._run = url, run
        self._headers = header_pairs(headers)
        self._secrets = secrets_in(headers, {name.lower() for name, _ in self._headers}, url=url)
        self._cursor: str | None = None
        self._session: ClientSession | None = None

    async def read(self) -> Reading:
        """See Source."""
        from aiohttp import ClientError

        query = {"run": self._run, "limit": str(MOST_ROWS)}
        if self._cursor is not None:
            query["after"] = self._cursor
        whole = f"{self._url}{'&' if '?' in self._url else '?'}{urlencode(query)}"
        try:
            async with self._opened().get(whole, headers=self._headers, allow_redirects=False) as answer:
                status, content = answer.status, answer.content
                body = await whole_body(content, LARGEST_PAGE) if status == 200 else await content.read(_SHOWN)
        except TimeoutError:
            raise GapError(f"no answer within {TIMEOUT_S:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise GapError(conceal(why_unreadable(error), self._secrets)) from None
        if status != 200:
            said = conceal(" ".join(body.decode("utf-8", "replace").split()), self._secrets)
            raise GapError(f"answered {status}" + (f" {said}" if said else ""))
        return self._page(body)

    def _page(self, body: bytes) -> Reading:
        try:
            page = _decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise GapError(f"not a page of effects: {conceal(str(error), self._secrets)}") from None
        if len(page.cursor.encode()) > LONGEST_CURSOR:
            raise GapError(f"its cursor is longer than {LONGEST_CURSOR} bytes")
        rows = [effect.row() for effect in page.effects]
        backlog = None if page.backlog is None else count_of(page.backlog, "backlog")
        told_ns = None if page.now is None else instant_ns(page.now, "now")
        self._cursor = page.cursor
        return Reading(*columns(rows), told_ns, backlog, len(page.effects) >= MOST_ROWS)

    def _opened(self) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout

        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=TIMEOUT_S))
        return self._session

    async def close(self) -> None:
        """See Source."""
        if self._session is not None:
            await self._session.close()
