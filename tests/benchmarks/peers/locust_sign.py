"""Locust's FastHttpUser sending signed app-tracking events.

Environment: TRACKPILOTS_WEBHOOKS_SECRET_KEY, BENCH_PATH.
"""

from __future__ import annotations

import os
import ssl

from locust import FastHttpUser, task  # type: ignore[import-not-found, unused-ignore]
from signed_event import signed_event  # type: ignore[import-not-found]

SECRET = os.environ["TRACKPILOTS_WEBHOOKS_SECRET_KEY"].encode()  # noqa: TID251 - Locust passes no arguments
PATH = os.environ["BENCH_PATH"]  # noqa: TID251
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Sender(FastHttpUser):  # type: ignore[misc, unused-ignore]
    """One connection that sends one event after the other, without thinking time."""

    insecure = True
    # Locust's own factory reads every CA certificate of the system once per user, which takes 64 users seconds
    ssl_context_factory = staticmethod(lambda **_: CONTEXT)

    @task  # type: ignore[misc, untyped-decorator, unused-ignore]
    def send(self) -> None:
        """One event."""
        body, headers = signed_event(SECRET, "locust")
        self.client.post(PATH, data=body, headers=headers)
