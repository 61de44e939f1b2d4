"""When a failed delivery is made again: laws of the pauses, and what a table may say."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.error_kinds import ErrorKind
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan import Scenario, ScenarioError, from_document
from loadsim.plan.providers import PROVIDERS, Provider, growing
from loadsim.plan.retry_schedule import Retry, RetryPolicy, policy_of, profile_of, retry_after_ns

S = NS_PER_S
H = 3600 * S
TIMEOUT = ERROR_BASE + ErrorKind.timeout
seeds = st.integers(0, 2**63 - 1)
indexes = st.integers(0, 10**9)
profiles = st.sampled_from([provider.name for provider in PROVIDERS])


def by_name(name: str) -> Provider:
    return next(provider for provider in PROVIDERS if provider.name == name)


@given(profiles, seeds, indexes, st.floats(0, 1), st.floats(1e-3, 1e6))
def test_every_pause_lies_within_its_jitter_and_the_schedule_ends(
    profile: str, seed: int, index: int, jitter: float, scale: float
) -> None:
    policy = policy_of(Retry(profile=profile, jitter=jitter, time_scale=scale), seed)
    planned = by_name(profile).retries_ns
    for attempt, base in enumerate(planned, 1):
        pause = policy.pause_ns(index, attempt, 503)
        assert pause is not None
        assert base * (1 - jitter) / scale - 1 <= pause <= base * (1 + jitter) / scale + 1
        assert pause == policy.pause_ns(index, attempt, 503), "the same draw every time"
    assert policy.pause_ns(index, len(planned) + 1, 503) is None


@given(seeds, st.integers(1, 9))
def test_the_jitter_of_many_events_fills_its_range_evenly(seed: int, attempt: int) -> None:
    policy = policy_of(Retry(schedule=(100 * S,) * 9, jitter=0.5), seed)
    pauses = [policy.pause_ns(index, attempt, 500) or 0 for index in range(400)]
    assert len(set(pauses)) > 390
    assert 92 * S < sum(pauses) / 400 < 108 * S
    assert min(pauses) < 60 * S
    assert max(pauses) > 140 * S


@given(seeds, indexes, st.integers(1, 7), st.integers(0, 10**6))
def test_retry_after_only_lengthens_a_pause_and_no_further_than_the_profile_grants(
    seed: int, index: int, attempt: int, asked: int
) -> None:
    policy = policy_of(Retry(profile="svix"), seed)
    base = by_name("svix").retries_ns[attempt - 1]
    plain = policy.pause_ns(index, attempt, 429)
    pause = policy.pause_ns(index, attempt, 429, {"retry-after": str(asked)}.get)
    assert plain is not None
    assert pause is not None
    assert plain <= pause <= max(plain, 2 * base)
    if plain <= asked * S <= 2 * base:
        assert pause == asked * S


@pytest.mark.parametrize(
    ("value", "ns"),
    [("120", 120 * S), (" 5 ", 5 * S), ("0", 0), ("999999999999", 24 * H), ("-1", None), ("1.5", None), ("", None),
     ("²", None), ("soon", None), (None, None), ("Sun, 06 Nov 1994 08:49:37 GMT", 37 * S),
     ("Sunday, 06-Nov-94 08:49:37 GMT", 37 * S), ("Sun Nov  6 08:49:37 1994", 37 * S),
     ("Sun, 06 Nov 1994 08:48:59 GMT", 0), ("Mon, 07 Nov 1994 08:49:01 GMT", 24 * H),
     ("Sun, 06 Nov 1994 25:99:99 GMT", None), ("Sun, 99 Nov 99999 08:49:37 GMT", None)],
)  # fmt: skip
def test_retry_after_is_whole_seconds_or_any_of_the_three_forms_of_a_date(value: str | None, ns: int | None) -> None:
    """Seen at 08:49:00 on 6 November 1994."""
    assert retry_after_ns(value, 784_111_740.0) == ns


def test_a_date_lengthens_a_pause_as_seconds_do() -> None:
    policy = policy_of(Retry(schedule=(S,), time_scale=2), 1)
    header = {"retry-after": "Sun, 06 Nov 1994 08:49:40 GMT"}.get
    assert policy.pause_ns(0, 1, 503, header, now_s=784_111_740.0) == 20 * S
    assert policy.pause_ns(0, 1, 503, header, now_s=784_111_800.0) == S // 2


@given(st.integers(1, 100), st.integers(60, 10**6))
def test_modelled_pauses_take_the_published_time_and_never_shrink(attempts: int, seconds: int) -> None:
    pauses = growing(attempts, seconds * S)
    assert len(pauses) == attempts
    assert all(later >= one for one, later in itertools.pairwise(pauses))
    if seconds / attempts > 10 and seconds < 10 * 10 ** min(attempts - 1, 5):  # a factor up to ten is enough
        assert sum(pauses) == pytest.approx(seconds * S, rel=1e-6)


@pytest.mark.parametrize(("code", "again"), [(400, False), (410, False), (429, True), (503, True), (TIMEOUT, True)])
def test_a_provider_may_take_a_refusal_as_final(code: int, again: bool) -> None:
    assert (policy_of(Retry(profile="sanity"), 1).pause_ns(0, 1, code) is not None) is again


def test_what_the_table_says_goes_before_the_profile() -> None:
    own = profile_of(Retry(profile="svix", schedule=(S,), jitter=0.0, switch_off=False))
    assert (own.retries_ns, own.jitter, own.switch_off) == ((S,), 0.0, None)
    assert own.retry_after == 2.0
    assert profile_of(Retry(profile="stripe")).modelled
    assert not profile_of(Retry(profile="stripe", schedule=(S,))).modelled


# -- when an endpoint is switched off ---------------------------------------------------------------------------------


def test_the_time_scale_compresses_the_rule_too() -> None:
    rule = policy_of(Retry(profile="slack", time_scale=60), 1).switch_off
    assert rule is not None
    assert rule.window_ns == 60 * S
    assert RetryPolicy(by_name("github"), 1.0, 1).switch_off is None


# -- in a scenario ----------------------------------------------------------------------------------------------------


def scenario(retry: dict[str, object], **more: object) -> Scenario:
    phases = [{"name": "p", "rate": "10/s", "duration": "1s"}]
    return from_document(
        {"name": "r", "target": {"url": "http://h/"}, "events": [{"type": "t"}], "phases": phases, "retry": retry}
        | more,
        "f.toml",
    )


def test_a_profile_brings_its_deadline_unless_the_target_has_a_timeout() -> None:
    assert scenario({"profile": "slack"}).target.timeout == 3 * S
    assert scenario({"profile": "slack"}, target={"url": "http://h/", "timeout": "7s"}).target.timeout == 7 * S
    assert scenario({"schedule": ["1s"]}).target.timeout == 10 * S


def test_a_scenario_with_retries_survives_its_document() -> None:
    once = scenario({"profile": "svix", "time_scale": 3600, "schedule": ["5s", "1m"], "jitter": 0.1})
    assert from_document(once.document(), "again") == once


@pytest.mark.parametrize(
    ("retry", "more", "message"),
    [
        ({"profile": "strype"}, {}, 'retry.profile: no such provider: "strype"; did you mean "stripe"?'),
        ({}, {}, "retry: names neither a profile nor a schedule"),
        ({"schedule": ["1s"] * 101}, {}, "retry.schedule: at most 100 further attempts"),
        ({"schedule": [5]}, {}, "retry.schedule[0]: a duration is a text"),
        ({"profile": "stripe", "time_scale": 0}, {}, "retry.time_scale: "),
        ({"profile": "stripe", "jitter": 2}, {}, "retry.jitter: "),
        ({"profile": "stripe", "pause": 2}, {}, "retry.pause: unknown key"),
        (
            {"profile": "stripe"},
            {"phases": [{"name": "c", "connections": 3, "duration": "1s"}]},
            "retry: goes with phases that have a rate",
        ),
        ({"profile": "stripe"}, {"target": {"url": "http://h/", "overflow": "drop"}}, "retry: goes with overflow"),
    ],
)
def test_a_wrong_table_is_one_line(retry: dict[str, object], more: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        scenario(retry, **more)
    assert str(raised.value).startswith(f"f.toml: {message}")
