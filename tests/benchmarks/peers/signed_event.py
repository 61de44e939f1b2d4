"""The app-tracking event of the Python peers: the same fields and about the same length as loadsim's, signed.

Stands alone (standard library only), because it also runs in the environment that Locust is installed in.
"""

from __future__ import annotations

import hmac
import itertools
import time

APPS = (
    ("Google Chrome", "google.com", "/search?q=report"),
    ("Slack", "slack.com", "/client/threads"),
    ("GitHub", "github.com", "/issues/assigned"),
    ("Figma", "figma.com", "/files/recents"),
    ("Notion", "notion.so", "/team-handbook"),
    ("Gmail", "mail.google.com", "/mail/u/0/#inbox"),
)
_numbers = itertools.count()
_stamp = (-1, "")


def signed_event(secret: bytes, sender: str) -> tuple[bytes, dict[str, str]]:
    """The body and headers of this process's next event, as of now."""
    global _stamp  # noqa: PLW0603 - one formatted second, shared by all events in it
    count = next(_numbers)
    now_ms = time.time_ns() // 1_000_000
    second, ms = divmod(now_ms, 1000)
    if second != _stamp[0]:
        _stamp = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    moment = f"{_stamp[1]}.{ms:03d}Z"
    name, domain, path = APPS[count % len(APPS)]
    body = (
        '{"event":"desktop.app_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,"timestamp":'
        f'{now_ms},"data":[{{"organisation":{{"organisationId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"}},"team":'
        f'{{"teamId":"3c90c3cc-0d44-4b50-8888-{count % 8:012x}"}},"user":{{"userId":"3c90c3cc-0d44-4b50-8888-'
        f'{count % 400:012x}"}},"tracking":{{"trackingId":"e2fbd487-1ede-43e9-bd62-{count:012x}","app":{{"name":'
        f'"{name}","type":"website","category":"Unknown Category","iconUrl":"https://www.{domain}/favicon.ico",'
        f'"domain":"{domain}","fullUrl":"https://www.{domain}{path}","productivityStatus":"neutral"}},"time":'
        f'{{"startDate":"{moment}","endDate":"{moment}","durationInSeconds":{count % 50 + 10}}},"trackingMode":'
        '"online","operatingSystem":"macos"}}]}'
    ).encode()
    signature = hmac.digest(secret, b"%d.%b" % (second, body), "sha256").hex()
    return body, {
        "Content-Type": "application/json",
        "X-Webhook-Signature": signature,
        "X-Webhook-Timestamp": str(second),
        "X-Loadsim-Id": f"{sender}/{count}/1",
    }
