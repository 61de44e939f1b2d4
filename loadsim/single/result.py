"""The result of one simulated event: its request, the answer or the reason why there was none, the time of each step.

Knows no clock and no socket. Values of sensitive headers are masked here, for every form in which it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadsim.error_kinds import ErrorKind
from loadsim.model import Secret
from loadsim.outcome_codes import is_success
from loadsim.plan.redact import conceal, redact_headers, secrets_in
from loadsim.report.diagnosis import diagnosis_of


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each step; None for a step that did not happen (no name to resolve, no TLS) or did not end."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    """From the sent request to the first byte of the response."""
    total: float = 0.0
    """From the start to the last byte of the response, or to the failure."""

    def steps(self) -> dict[str, float | None]:
        """By name, in the order in which they happen."""
        return {
            "dns": self.dns,
            "connect": self.connect,
            "tls": self.tls,
            "first_byte": self.first_byte,
            "total": self.total,
        }


@dataclass(frozen=True, slots=True)
class Response:
    """What the endpoint answered. `truncated`: the body was longer than what is kept."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. `text` is one line that says what to check."""

    kind: ErrorKind
    text: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """One simulated event and its outcome."""

    event: str
    url: str
    headers: Mapping[str, str | tuple[str, ...]]
    """The delivery headers: content type, signature headers, and those that the user gave."""
    payload: bytes
    timings: Timings
    outcome: Response | Failure
    http: str | None = None
    """The version of HTTP that the event was, or would have been, sent in: `1.1` or `2`."""
    endpoint: str | None = None
    """The endpoint's name in `loadsim.toml`."""
    seed: int | None = None
    """What the payload was made from; None where it came from a file."""
    scheme: str = "trackpilots"
    hidden: frozenset[str] = frozenset()
    """Lower-case names of headers whose values are secrets whatever their names say: they came from the environment."""
    secret: Secret | None = None
    """The signing secret, which an endpoint may repeat in its answer."""

    @property
    def answer(self) -> Response | None:
        """What the endpoint answered, if it did."""
        return self.outcome if isinstance(self.outcome, Response) else None

    @property
    def failure(self) -> Failure | None:
        """Why there was no answer, if there was none."""
        return self.outcome if isinstance(self.outcome, Failure) else None

    @property
    def delivered(self) -> bool:
        """True for a 2xx answer, and nothing else."""
        return self.answer is not None and is_success(self.answer.status)

    def shown_headers(self) -> dict[str, str | tuple[str, ...]]:
        """The delivery headers with secrets masked."""
        return redact_headers(self.headers, self.hidden)

    def answer_headers(self) -> list[tuple[str, str]]:
        """The answer's headers, with secrets masked. A name may occur several times."""
        pairs = self.answer.headers if self.answer else ()
        return [(name, self.concealed(redact_headers({name: value}, self.hidden)[name])) for name, value in pairs]

    def concealed(self, text: str) -> str:
        """A text from the endpoint with our secrets masked, should it repeat them."""
        return conceal(text, secrets_in(self.headers, self.hidden, url=self.url, keys=(self.secret,)))

    def advice(self) -> str | None:
        """The likely cause of a refusal, where there is a usual one."""
        if self.answer is None:
            return None
        if 300 <= self.answer.status < 400:
            return "Redirects are not followed: register the URL that the endpoint redirects to."
        return diagnosis_of(self.answer.status, scheme=self.scheme)
