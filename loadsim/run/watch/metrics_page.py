"""A page of metrics at a URL, read once for all watches that name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadsim.measure.watch_values import Raw
from loadsim.plan.headers import Headers, header_pairs
from loadsim.plan.redact import conceal, redact_url, secrets_in
from loadsim.run.effects.source import GapError
from loadsim.run.reconcile import whole_body, why_unreadable
from loadsim.run.watch.metrics_text import OPENMETRICS, require_parser, value_of
from loadsim.run.watch.source import TIMEOUT_S, Part

if TYPE_CHECKING:
    from aiohttp import ClientSession

LARGEST_PAGE = 8 << 20
_ACCEPT = f"{OPENMETRICS};version=1.0.0;q=0.5,text/plain;version=0.0.4"
"""The older format is preferred: its parser is quicker."""


class MetricsPage:
    """The page; see WatchSource. `headers`: with the values of variables."""

    def __init__(self, url: str, headers: Headers, parts: tuple[Part, ...]) -> None:
        require_parser()
        self.place = redact_url(url)
        self.parts = parts
        self._url = url
        self._headers = [("Accept", _ACCEPT), *header_pairs(headers)]
        self._secrets = secrets_in(headers, {name.lower() for name, _ in header_pairs(headers)}, url=url)
        self._session: ClientSession | None = None

    async def read(self) -> list[Raw | str]:
        """See WatchSource."""
        page, content_type = await self._page()
        return [self._value(page, content_type, part) for part in self.parts]

    def _value(self, page: bytes, content_type: str, part: Part) -> Raw | str:
        try:
            return value_of(page, content_type, part.watch)
        except GapError as error:
            return conceal(str(error), self._secrets)

    async def _page(self) -> tuple[bytes, str]:
        from aiohttp import ClientError

        try:
            async with self._opened().get(self._url, headers=self._headers, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise GapError(f"answered {answer.status}")
                body = await whole_body(answer.content, LARGEST_PAGE, "is read of a page of metrics")
                return body, answer.content_type
        except TimeoutError:
            raise GapError(f"no answer within {TIMEOUT_S:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise GapError(conceal(why_unreadable(error), self._secrets)) from None

    def _opened(self) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout

        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=TIMEOUT_S))
        return self._session

    async def close(self) -> None:
        """See WatchSource."""
        if self._session is not None:
            await self._session.close()
