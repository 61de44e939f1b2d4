"""The likely cause of refusals: what Trackpilots documents for 401 and 400 answers, and a wrong path (404, 405)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadsim.measure.result import RunResult

DEFAULT_SECRET = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"  # noqa: S105 - the variable's name, not its value
HEADERS = "x-webhook-signature and x-webhook-timestamp"
DIAGNOSED = (401, 400, 404, 405)


def diagnosis_of(status: int, *, scheme: str = "trackpilots", secret_env: str | None = None) -> str | None:
    """The likely cause of one refusal, in a sentence; None for any other status.

    `secret_env`: the variable of our own secret, if its name differs from the receiver's.
    """
    known = scheme == "trackpilots"
    if status == 401:
        theirs = DEFAULT_SECRET if known else "secret"
        ours = f", in {secret_env}" if secret_env not in (None, theirs) else ""
        return (
            f"401 Invalid signature: the receiver's {theirs} does not match the secret shown on the webhook "
            f"(the one loadsim signs with{ours})."
        )
    if status == 400:
        names = f"both headers ({HEADERS}, lower case)" if known else "every signature header"
        return f"400 Missing signature: the server does not read {names}."
    if status == 404:
        return "404 Not Found: the server is there but has nothing at this path: is the path of the URL right?"
    if status == 405:
        return "405 Method Not Allowed: this path does not take POST: is the path of the URL right?"
    return None


def diagnosis(result: RunResult) -> list[str]:
    """The diagnoses of a run in which half of the answers or more are in DIAGNOSED, the more frequent first."""
    status = result.totals.status
    counts = {code: status.get(str(code), 0) for code in DIAGNOSED}
    if not result.totals.completed or 2 * sum(counts.values()) < result.totals.completed:
        return []
    target: dict[str, Any] = result.run.scenario.get("target") or {}
    codes = sorted((code for code in DIAGNOSED if counts[code]), key=lambda code: -counts[code])
    texts = (
        diagnosis_of(code, scheme=str(target.get("scheme", "trackpilots")), secret_env=target.get("secret_env"))
        for code in codes
    )
    return [text for text in texts if text]
