"""Deliveries made again, on a scripted endpoint and clock: at the instants of the schedule, one outcome per event."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Any

import orjson
import pytest

from loadsim.engine.scripted_endpoint import START_NS, Reply, Script, ScriptedTransport, SentRequest
from loadsim.error_kinds import ErrorKind
from loadsim.measure.outcome_columns import Column
from loadsim.measure.retries import RetryCounts
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan import Scenario
from tests.engine.running import Ran, scenario
from tests.engine.test_engine import after, play

MS, S = NS_PER_MS, NS_PER_S
REFUSED = ERROR_BASE + ErrorKind.refused
TIMEOUT = ERROR_BASE + ErrorKind.timeout


def retrying(schedule: list[str] | None = None, rate: str = "100/s", duration: str = "100ms", **more: Any) -> Scenario:
    """Ten events, unless told otherwise."""
    target = {"timeout": "5s", **more.pop("target", {})}
    retry = {"schedule": schedule, **more} if schedule is not None else more
    return scenario([{"rate": rate, "duration": duration}], target, retry=retry)


def retried(of: Scenario, script: Script, **options: Any) -> tuple[Ran, ScriptedTransport, RetryCounts]:
    result, transport = play(of, script, **options)
    assert result.policies.retries is not None
    counts = result.policies.retries.counts
    ended = [code for codes in counts.codes for code, n in codes.items() for _ in range(n)]
    assert len(ended) == len(result.codes) - unsent(result) + sum(counts.extra.values())
    return result, transport, counts


def unsent(result: Ran) -> int:
    """Events of which no delivery was tried."""
    return result.outcomes.count("switched_off")


def by_index(transport: ScriptedTransport) -> dict[int, list[SentRequest]]:
    found: dict[int, list[SentRequest]] = defaultdict(list)
    for sent in transport.sent:
        found[sent.index].append(sent)
    return found


def failing(times: int, code: int = 503, took: int = 2 * MS, **reply: Any) -> Script:
    """Every event fails so often, then succeeds."""
    seen: Counter[int] = Counter()

    def script(index: int, _: int) -> Reply:
        seen[index] += 1
        return Reply(took, code, **reply) if seen[index] <= times else Reply(took)

    return script


def test_attempts_come_at_the_pauses_of_the_schedule_and_make_one_event() -> None:
    result, transport, counts = retried(retrying(["50ms", "200ms"]), failing(2))
    assert result.codes == [200] * 10
    for sent in by_index(transport).values():
        assert [each.attempt for each in sent] == [1, 2, 3]
        first, second, third = (each.at_ns for each in sent)
        assert second - first == 2 * MS + 50 * MS
        assert third - second == 2 * MS + 200 * MS
    assert counts.codes == [{503: 10}, {503: 10}, {200: 10}]
    assert (counts.retried, counts.given_up, sum(counts.extra.values())) == (10, 0, 20)


def test_response_and_service_are_those_of_the_last_attempt() -> None:
    result, _, _ = retried(retrying(["50ms"]), failing(1))
    for name, column in (("response", Column.due), ("service", Column.sent)):
        took = {done - at for done, at in zip(result.column(Column.done), result.column(column), strict=True)}
        assert took == {2 * MS}, name


def test_an_attempt_has_the_body_and_the_id_of_its_event_and_a_signature_of_its_own() -> None:
    of = retrying(["1500ms"], target={"scheme": "standard-webhooks"})
    _, transport, _ = retried(of, failing(1))
    for first, second in by_index(transport).values():
        assert first.request.body == second.request.body
        one, other = dict(first.request.header_pairs()), dict(second.request.header_pairs())
        assert one["webhook-id"] == other["webhook-id"]
        assert int(other["webhook-timestamp"]) - int(one["webhook-timestamp"]) in (1, 2)
        assert one["webhook-signature"] != other["webhook-signature"]


def test_with_an_epoch_bodies_are_the_same_whatever_happens() -> None:
    epoch = 1_700_000_000 * S
    _, once, _ = retried(retrying(["1500ms"]), after(MS), epoch_ns=epoch)
    _, again, _ = retried(retrying(["1500ms"]), failing(1), epoch_ns=epoch)
    bodies = {sent.index: sent.request.body for sent in once.sent}
    assert {
        sent.index: {each.request.body for each in again.sent if each.index == sent.index} for sent in once.sent
    } == {index: {body} for index, body in bodies.items()}


def test_the_time_scale_compresses_the_pauses_and_not_the_answers() -> None:
    result, transport, _ = retried(
        retrying(None, profile="zoom", time_scale=2000, target={"timeout": "5s"}), failing(3)
    )
    assert result.codes == [200] * 10
    for sent in by_index(transport).values():
        gaps = [later.at_ns - each.at_ns for each, later in itertools.pairwise(sent)]
        assert gaps == [2 * MS + 150 * MS, 2 * MS + 600 * MS, 2 * MS + 1800 * MS]


def test_an_event_is_given_up_after_its_last_attempt_with_what_that_came_to() -> None:
    result, transport, counts = retried(retrying(["10ms"]), failing(9))
    assert result.codes == [503] * 10
    assert {len(sent) for sent in by_index(transport).values()} == {2}
    assert counts.given_up == 10


def test_attempts_that_broke_after_they_were_sent_leave_doubt() -> None:
    _, _, counts = retried(retrying(["10ms"]), failing(1, TIMEOUT))
    assert counts.in_doubt == 10
    _, _, counts = retried(retrying(["10ms"]), failing(1, 500))
    assert counts.in_doubt == 0


def test_retry_after_is_waited_for_as_far_as_the_profile_grants_it() -> None:
    asks = failing(1, headers=(("Retry-After", "1"),))
    _, transport, _ = retried(retrying(["10ms"]), asks)
    assert {later.at_ns - first.at_ns for first, later in by_index(transport).values()} == {S + 2 * MS}
    asks = failing(1, headers=(("retry-after", "60"),))
    _, transport, _ = retried(retrying(None, profile="svix", time_scale=10, jitter=0), asks)
    assert {later.at_ns - first.at_ns for first, later in by_index(transport).values()} == {S + 2 * MS}


def test_a_date_in_retry_after_is_waited_for() -> None:
    asks = failing(1, headers=(("Retry-After", "Fri, 31 Dec 2999 23:59:59 GMT"),))
    _, transport, _ = retried(retrying(["10ms"], time_scale=86_400), asks)
    gaps = {later.at_ns - first.at_ns for first, later in by_index(transport).values()}
    assert gaps == {S + 2 * MS}, "a day at most, so many times as fast"


def headers_of(sent: SentRequest) -> dict[str, str]:
    return dict(sent.request.header_pairs())


@pytest.mark.parametrize(
    ("code", "reason", "square"),
    [(503, "http_error", "http_error"), (TIMEOUT, "http_timeout", "http_timeout"),
     (REFUSED, "connection_failed", "other_error"), (302, "too_many_redirects", "http_error"),
     (ERROR_BASE + ErrorKind.tls, "ssl_error", "ssl_error"),
     (ERROR_BASE + ErrorKind.protocol, "unknown_error", "other_error")],
)  # fmt: skip
def test_a_further_attempt_is_marked_as_the_provider_marks_it(code: int, reason: str, square: str) -> None:
    _, transport, _ = retried(retrying(["10ms", "10ms"], target={"scheme": "slack"}), failing(2, code))
    for first, *others in by_index(transport).values():
        assert not any("retry" in name.lower() for name in headers_of(first))
        for number, again in enumerate(others, 1):
            assert headers_of(again)["X-Slack-Retry-Num"] == str(number)
            assert headers_of(again)["X-Slack-Retry-Reason"] == reason
    of_square = retrying(["1500ms"], target={"scheme": "square", "public_url": "https://h.test/"})
    _, transport, _ = retried(of_square, failing(1, code))
    for first, again in by_index(transport).values():
        assert "square-retry-number" not in headers_of(first)
        assert headers_of(again)["square-retry-number"] == "1"
        assert headers_of(again)["square-retry-reason"] == square
        assert headers_of(again)["square-initial-delivery-timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("scheme", "name", "values"),
    [
        ("twitch", "Twitch-Eventsub-Message-Retry", ["0", "1", "2"]),
        ("hookdeck", "X-Hookdeck-Attempt-Count", ["1", "2", "3"]),
    ],
)
def test_a_counter_in_every_delivery_counts(scheme: str, name: str, values: list[str]) -> None:
    _, transport, _ = retried(retrying(["10ms", "10ms"], target={"scheme": scheme}), failing(2))
    for sent in by_index(transport).values():
        assert [headers_of(each)[name] for each in sent] == values
        assert all(len([line for line, _ in each.request.header_pairs() if line == name]) == 1 for each in sent)


def test_a_counter_in_the_body_counts_and_is_signed() -> None:
    target = {"scheme": "hubspot-v3", "public_url": "https://h.test/"}
    of = scenario(
        [{"rate": "100/s", "duration": "100ms"}],
        target,
        retry={"schedule": ["10ms", "10ms"]},
        events=[{"type": "hubspot-v3.contact.creation"}],
    )
    _, transport, _ = retried(of, failing(2))
    for sent in by_index(transport).values():
        assert [orjson.loads(each.request.body)[0]["attemptNumber"] for each in sent] == [0, 1, 2]
        assert len({headers_of(each)["X-HubSpot-Signature-v3"] for each in sent}) == 3


def test_an_answer_can_refuse_further_attempts() -> None:
    says_no = failing(9, headers=(("X-Slack-No-Retry", "1"),))
    result, transport, counts = retried(retrying(None, profile="slack", switch_off=False), says_no)
    assert result.codes == [503] * 10
    assert len(transport.sent) == 10
    assert counts.given_up == 10


@pytest.mark.parametrize("drain", [True, False])
def test_what_still_waits_at_the_end_is_unfinished(drain: bool) -> None:
    of = retrying(["1h"])
    result, transport, counts = retried(of, failing(1), stops={95 * MS: drain})
    assert result.outcomes == ["unfinished"] * 10
    assert counts.waiting == 10
    assert len(transport.sent) == 10
    assert result.took_s < 0.2, "the drain does not wait for what cannot come"


def test_the_drain_still_makes_the_attempts_that_fall_due_in_it() -> None:
    result, _, counts = retried(retrying(["2s", "10s"]), failing(1))
    assert result.codes == [200] * 10
    assert counts.waiting == 0
    assert result.took_s < 2.2


def test_an_outage_and_the_storm_after_it_balance() -> None:
    """1,000 events/s for a second, down from 200 to 500 ms; ten connections."""

    def script(_: int, now: int) -> Reply:
        down = START_NS + 200 * MS <= now < START_NS + 500 * MS
        return Reply(0, REFUSED) if down else Reply(3 * MS)

    of = retrying(["100ms", "200ms", "400ms"], "1000/s", "1s", target={"connections": 10})
    result, transport, counts = retried(of, script)
    assert result.codes.count(200) == result.planned == 1000
    assert counts.retried == 300
    assert len(transport.sent) == 1000 + sum(counts.extra.values())
    backlog = result.backlog.reshape(-1, 3)
    assert Counter(backlog[:, 2].tolist()) == {0: 300, 1: 300}
    assert len({(sent.index, sent.attempt) for sent in transport.sent}) == len(transport.sent)


def test_only_so_many_events_are_held() -> None:
    result, transport, counts = retried(retrying(["1s"]), failing(1), most_held=4)
    assert Counter(result.codes) == {200: 4, 503: 6}
    assert (counts.retried, counts.no_room) == (4, 6)
    assert len(transport.sent) == 14


def test_forged_events_are_not_delivered_again() -> None:
    of = scenario(
        [{"rate": "1000/s", "duration": "200ms"}],
        cases=[{"kind": "wrong_secret", "share": 0.5}],
        retry={"schedule": ["10ms"]},
    )
    result, transport = play(of, after(MS, 401))
    genuine = {index for index, sent in by_index(transport).items() if len(sent) == 2}
    plan = result.engine._plan
    assert genuine == {index for index in range(200) if plan.kind_of(index)[1] == 0}
    assert 60 < len(genuine) < 140


def test_a_switched_off_endpoint_gets_nothing_more_and_every_event_has_its_account() -> None:
    """Shopify: the first event that is given up ends the subscription."""
    of = retrying(["100ms"], "100/s", "1s", profile="shopify")
    result, transport, counts = retried(of, failing(99))
    # the first event fails at 2 ms, again at 104 ms: eleven had fallen due by then
    assert Counter(result.outcomes) == {"503": 11, "switched_off": 89}
    assert (counts.given_up, counts.cut_off) == (1, 10)
    assert counts.off_ns == 104 * MS
    assert counts.why == "an event was given up"
    assert max(sent.at_ns for sent in transport.sent) <= START_NS + 104 * MS
    note = next(sample for sample in result.samples if sample.kind == "switched_off")
    assert "switched the endpoint off: an event was given up" in note.error


def test_what_queues_when_the_endpoint_is_switched_off_is_not_sent() -> None:
    of = retrying(None, "100/s", "200ms", profile="standard-webhooks", target={"connections": 1, "timeout": "5s"})
    result, transport, counts = retried(of, lambda *_: Reply(75 * MS, 410))
    assert len(transport.sent) == 1
    assert Counter(result.outcomes) == {"410": 1, "switched_off": 19}
    assert counts.why == "it answered 410 Gone"


def test_an_endpoint_that_may_not_be_switched_off_is_not() -> None:
    of = retrying(["100ms"], "100/s", "1s", profile="shopify", switch_off=False)
    result, _, _ = retried(of, failing(99))
    assert result.codes == [503] * 100


def test_our_own_fault_is_not_tried_again() -> None:
    sent = []

    def breaks(index: int, _: int) -> Reply:
        sent.append(index)
        return Reply(MS, ERROR_BASE + ErrorKind.internal)

    with pytest.raises(AssertionError, match="as scripted"):
        play(retrying(["10ms"]), breaks)
    assert sorted(sent) == list(range(10))


def test_a_descriptor_limit_is_a_failed_attempt() -> None:
    result, _, counts = retried(retrying(["10ms"]), after(MS), limit=0)
    assert result.outcomes == ["connect_error"] * 10
    assert counts.given_up == 10
