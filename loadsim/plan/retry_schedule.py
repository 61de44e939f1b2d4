"""The pauses between attempts: a provider's schedule, its jitter, and `Retry-After`; and the keys of `[retry]`.

The same seed, event and attempt give the same pause. `time_scale` divides all times of the provider, so that hours
become seconds; the time of the endpoint does not change.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from loadsim.model import NS_PER_S
from loadsim.plan.providers import PROVIDERS, Provider, SwitchOff
from loadsim.plan.typed_document import DocumentError, Duration, suggestion

CUSTOM = "custom"
GONE = 410
TOO_MANY = 429
MOST_ATTEMPTS = 100
"""The longest schedule that a scenario may give."""
_LONGEST_ASKED_S = 86_400
_UNIT = 2.0**-53


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Retry as this provider does."""

    profile: str = CUSTOM
    """A provider's name, or "custom" with a `schedule`. For example `"stripe"`."""
    time_scale: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1.0
    """The factor by which the provider's times are divided. For example `60`."""
    schedule: tuple[Duration, ...] | None = None
    """Pauses before each further attempt, in place of the profile's. For example `["5s", "1m", "10m"]`."""
    jitter: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Share by which a pause varies either way, in place of the profile's. For example `0.1`."""
    switch_off: bool = True
    """Whether the provider may stop delivering to an endpoint that keeps failing, by the profile's rules."""


def profile_of(retry: Retry) -> Provider:
    """The provider's rules with the changes of the table."""
    found = next((provider for provider in PROVIDERS if provider.name == retry.profile), None)
    if found is None:
        found = Provider(CUSTOM, "custom schedule", 0, (), "as the scenario says")
    return Provider(
        found.name,
        found.title,
        found.deadline_ns,
        found.retries_ns if retry.schedule is None else retry.schedule,
        found.afterwards,
        modelled=found.modelled and retry.schedule is None,
        jitter=found.jitter if retry.jitter is None else retry.jitter,
        retry_after=math.inf if found.name == CUSTOM else found.retry_after,
        ends_on_4xx=found.ends_on_4xx,
        stop_header=found.stop_header,
        switch_off=found.switch_off if retry.switch_off else None,
        source=found.source,
    )


def check_retry(retry: Retry) -> None:
    """Rules of `[retry]` alone. Raises DocumentError."""
    names = [provider.name for provider in PROVIDERS]
    if retry.profile != CUSTOM and retry.profile not in names:
        raise DocumentError("retry.profile", f'no such provider: "{retry.profile}"{suggestion(retry.profile, names)}')
    if retry.profile == CUSTOM and retry.schedule is None:
        raise DocumentError("retry", 'names neither a profile nor a schedule, such as profile = "stripe"')
    if retry.schedule is not None and len(retry.schedule) > MOST_ATTEMPTS:
        raise DocumentError("retry.schedule", f"at most {MOST_ATTEMPTS} further attempts")
    if not math.isfinite(retry.time_scale):
        raise DocumentError("retry.time_scale", "must be a finite number")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry policy after a failed attempt. Times in ns, already divided by `time_scale`."""

    provider: Provider
    scale: float
    seed: int

    @property
    def reads_headers(self) -> bool:
        """Whether the headers of a failed answer are needed."""
        return self.provider.retry_after is not None or self.provider.stop_header is not None

    @property
    def switch_off(self) -> SwitchOff | None:
        """When the endpoint gets nothing more, in the run's time; None: never."""
        rule = self.provider.switch_off
        if rule is None:
            return None
        failing = None if rule.failing_ns is None else int(rule.failing_ns / self.scale)
        return SwitchOff(rule.given_up, failing, rule.share, int(rule.window_ns / self.scale), rule.gone)

    def pause_ns(
        self,
        index: int,
        attempt: int,
        code: int,
        header: Callable[[str], str | None] = lambda _: None,
        *,
        now_s: float = 0.0,
    ) -> int | None:
        """The pause after attempt `attempt` (1 is the first) of event `index`, which failed with `code` (see
        `outcome_codes`); None: that was the last. `header` gives the value of a header of the answer, by its lower-case
        name; `now_s` is the wall clock, seconds since 1970, for one that names a date.

        pause = planned · (1 + jitter · u), u uniform in [−1, 1) by (seed, index, attempt); where `Retry-After` asks for
        more, that much, up to `retry_after` times the planned pause.
        """
        provider = self.provider
        if attempt > len(provider.retries_ns):
            return None
        if provider.ends_on_4xx and 400 <= code < 500 and code != TOO_MANY:
            return None
        if code == GONE and provider.switch_off is not None and provider.switch_off.gone:
            return None
        if provider.stop_header is not None and header(provider.stop_header[0]) == provider.stop_header[1]:
            return None
        planned = provider.retries_ns[attempt - 1]
        pause = planned * (1 + provider.jitter * (2 * _uniform(self.seed, index, attempt) - 1))
        if provider.retry_after is not None:
            asked = retry_after_ns(header("retry-after"), now_s)
            if asked is not None:
                most = planned * provider.retry_after if planned else asked
                pause = max(pause, min(asked, most))
        return int(pause / self.scale)


def policy_of(retry: Retry, seed: int) -> RetryPolicy:
    """The policy of a valid `[retry]` in a run of this seed."""
    importlib.import_module("email.utils")  # for `retry_after_ns`: while events are sent it would hold them up
    return RetryPolicy(profile_of(retry), retry.time_scale, seed)


def retry_after_ns(value: str | None, now_s: float) -> int | None:
    """How long a `Retry-After` header (RFC 9110, 10.2.3) asks to wait, seconds or an HTTP-date, in ns: at most a day,
    nothing for a date that has passed. None for no header, or one that is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        seconds: float = int(text[:10])
    else:
        import email.utils  # each shard has this module, and few have retries

        try:
            date = email.utils.parsedate_to_datetime(text)
            # asctime-date names no zone: every HTTP-date is in UTC (RFC 9110, 5.6.7)
            seconds = (date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp() - now_s
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return int(min(max(seconds, 0), _LONGEST_ASKED_S) * NS_PER_S)


def _uniform(seed: int, index: int, attempt: int) -> float:
    """In [0, 1), a multiple of 2⁻⁵³: by hash, so that one number can be drawn alone."""
    digest = hashlib.blake2b(b"retry %d %d %d" % (seed, index, attempt), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * _UNIT
