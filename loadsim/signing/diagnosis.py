"""What a refusal most likely means, in a line for the person who owns the endpoint.

Two answers have a known cause on nearly every endpoint: 401 is a secret that does not match, 400 is a header that is
not read. Decides the wording; knows nothing of how the answer came.
"""

from __future__ import annotations

from loadsim.signing.description import Scheme


def diagnosis(scheme: Scheme, status: int) -> str | None:
    """The likely cause of an answer of `status` to a genuine delivery, or None where there is no usual one."""
    if status == 401:
        return (
            f"401 Invalid signature: the endpoint's {scheme.default_secret_env} does not match the secret"
            " that this event was signed with"
        )
    if status == 400:
        names = ", ".join(scheme.header_names())
        return f"400 Missing signature: the server does not read the signature headers ({names}, lower case)"
    return None
