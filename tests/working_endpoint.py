"""An endpoint in memory that shows its effects, for runs that watch them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web


class Endpoint:
    """Its work is done at once. The options are what is wrong with it: `most` is how many events it works on at all."""

    def __init__(
        self,
        *,
        first_attempt: int = 200,
        failing: range = range(0),
        named: Callable[[str], str] = str,
        most: int | None = None,
        file: Path | None = None,
        apart_s: float = 0.0,
        echo: bool = False,
    ) -> None:
        self._first_attempt, self._failing, self._named, self._most = first_attempt, failing, named, most
        self._file = None if file is None else file.absolute()
        self._apart_s, self._echo = apart_s, echo
        self._done: list[dict[str, Any]] = []
        self.asked: list[str] = []
        """The pages that were asked for: URL and headers."""

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        if request.path == "/effects":
            return self._page(request)
        delivery_id = request.headers.get("X-Loadsim-Id", "")
        if delivery_id.endswith("/1") and self._first_attempt != 200:
            return web.Response(status=self._first_attempt)
        if request.method == "POST" and delivery_id and (self._most is None or len(self._done) < self._most):
            effect = {"id": self._named(delivery_id), "at": time.time() + self._apart_s}
            self._done.append(effect)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(effect) + "\n")
        return web.Response()

    def _page(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.url} {dict(request.headers)}")
        if len(self.asked) - 1 in self._failing:
            return web.Response(status=503, text="busy\nnow")
        if self._echo:
            return web.Response(status=500, text=self.asked[-1])
        begin = int(request.query.get("after", 0))
        page = self._done[begin : begin + int(request.query["limit"])]
        return web.json_response({"cursor": str(begin + len(page)), "now": time.time(), "effects": page})
