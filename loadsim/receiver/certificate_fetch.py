"""Fetches the certificate of a provider whose URL was found to be allowed.

The worker waits for it: there are a few in the life of a receiver, and no delivery can be judged before.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

WAIT_S = 3.0
LARGEST = 65_536


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead anywhere: only the URL itself was found to be allowed."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the redirect is an error."""


def fetched(url: str) -> str | None:
    """What is served there, as text; None where that fails, or is too long."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=WAIT_S) as answer:
            data: bytes = answer.read(LARGEST + 1)
    except (urllib.error.URLError, HTTPException, OSError, ValueError):
        return None
    return data.decode("ascii", "replace") if len(data) <= LARGEST else None
