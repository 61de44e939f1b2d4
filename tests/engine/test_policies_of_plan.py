"""Retries, volleys and plain events in one run, with every log, on a scripted endpoint: each delivery once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from loadsim.engine.outcome_notes import OutcomeNotes
from loadsim.engine.pacer import SharedPacer
from loadsim.engine.raw_log_rows import WIDTH, RawRows
from loadsim.engine.scripted_endpoint import (
    START_NS,
    Reply,
    Script,
    ScriptedPacer,
    ScriptedTransport,
    SentRequest,
    VirtualLoop,
)
from loadsim.error_kinds import ErrorKind
from loadsim.measure.event_outcomes import Ending, OutcomeCollector, Outcomes
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.model import NS_PER_MS
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan import Scenario
from tests.engine.running import Ran, scenario
from tests.engine.test_engine import after, play

MS = NS_PER_MS
OUTCOME = WIDTH - 1
"""The column that says whether a raw row is its event's outcome."""
COPIES = 3
CASES = [
    {"kind": "duplicate", "share": 0.3, "copies": COPIES},
    {"kind": "wrong_secret", "share": 0.2},
]
GENUINE, DUPLICATE, FORGED = range(3)


def mixed(retry: dict[str, Any] | None = None, **target: Any) -> Scenario:
    """200 events in 100 ms: half genuine and retried, the others volleys and forged ones."""
    return scenario(
        [{"rate": "2000/s", "duration": "100ms"}],
        {"connections": 20, "timeout": "1s", **target},
        cases=CASES,
        retry={"schedule": ["20ms", "50ms"], **(retry or {})},
    )


def logged(of: Scenario, script: Script, **options: Any) -> tuple[Ran, ScriptedTransport, Ints, Outcomes]:
    raw, notes = RawRows(0), OutcomeNotes(np.zeros(8, dtype=np.int64))
    result, transport = play(of, script, logs=[raw, notes], **options)
    collector = OutcomeCollector()
    collector.add(notes.take())
    return result, transport, np.frombuffer(raw.take(), dtype=np.int64).reshape(-1, WIDTH), collector.outcomes()


def failing(times: int, **reply: Any) -> Script:
    """The first deliveries of each event fail."""
    seen: Counter[int] = Counter()

    def script(index: int, _: int) -> Reply:
        seen[index] += 1
        return Reply(2 * MS, 503 if seen[index] <= times else 200, **reply)

    return script


def hanging(index: int, _: int) -> Reply | None:
    """Every third event is never answered."""
    return None if index % 3 == 0 else Reply(2 * MS, 503)


RUNS: dict[str, tuple[Scenario, Script, dict[str, Any]]] = {
    "delivered": (mixed(), failing(1), {}),
    "connections that close": (mixed(), failing(1, keep=False), {}),
    "given up": (mixed(), failing(9), {}),
    "timeouts": (mixed(timeout="50ms"), hanging, {}),
    "waiting at the end": (mixed({"schedule": ["1h"]}), failing(9), {}),
    "a stop without a drain": (mixed(), hanging, {"stops": {60 * MS: False}}),
    "a queue at the end": (mixed(connections=3), after(30 * MS, 503), {"stops": {90 * MS: False}}),
    "switched off": (mixed({"profile": "shopify", "schedule": ["20ms"]}), failing(9), {}),
    "switched off with a queue": (mixed({"profile": "shopify", "schedule": ["5ms"]}, connections=4), failing(9), {}),
    "no descriptors": (mixed(), after(MS), {"limit": 0}),
    "few descriptors": (mixed(), failing(1), {"limit": 3}),
    "slow connections": (mixed(), failing(1, keep=False), {"connect_ns": 3 * MS}),
    "only so many held": (mixed(), failing(1), {"most_held": 4}),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_delivery_has_one_raw_row_and_every_event_one_outcome(name: str) -> None:
    of, script, options = RUNS[name]
    result, transport, raw, outcomes = logged(of, script, **options)
    ended = raw[raw[:, OUTCOME] == 1]
    assert sorted(ended[:, Column.index].tolist()) == list(range(result.planned))
    deliveries = raw[(raw[:, Column.attempt] > 0) & (raw[:, Column.bytes_sent] > 0)]
    sent = Counter((each.index, each.at_ns) for each in transport.sent)
    assert Counter(zip(deliveries[:, Column.index].tolist(), deliveries[:, Column.sent].tolist(), strict=True)) == sent
    by_event = Counter(each.index for each in transport.sent)
    assert {index: int(n) for index, n in enumerate(outcomes.deliveries) if n} == by_event
    places = Counter(zip(raw[:, Column.index].tolist(), raw[:, Column.attempt].tolist(), strict=True))
    assert {n for (_, attempt), n in places.items() if attempt} <= {1}, "a number is one delivery of its event"


@pytest.mark.parametrize("name", RUNS)
def test_what_policies_count_is_what_was_sent(name: str) -> None:
    of, script, options = RUNS[name]
    result, transport, raw, _ = logged(of, script, **options)
    retries, volleys = result.policies.retries, result.policies.volleys
    assert retries is not None
    assert volleys is not None
    case = [result.engine._plan.unpack(stratum)[2] for stratum in range(len(result.engine.planned))]
    tried = raw[raw[:, Column.attempt] > 0]
    of_case = Counter(case[stratum] for stratum in tried[:, Column.stratum])
    extra = sum(retries.counts.extra.values())
    first = raw[(raw[:, OUTCOME] == 1) & np.isin(raw[:, Column.stratum], [s for s, c in enumerate(case) if not c])]
    off = (first[:, Column.code] == ERROR_BASE + ErrorKind.switched_off).sum()
    assert sum(n for codes in retries.counts.codes for n in codes.values()) == len(first) - off + extra
    assert sum(n for codes in volleys.counts.codes for n in codes.values()) >= of_case[DUPLICATE]
    forged = Counter(each.index for each in transport.sent if case[_stratum(raw, each)] == FORGED)
    assert set(forged.values()) <= {1}


def _stratum(raw: Ints, sent: SentRequest) -> int:
    return int(raw[raw[:, Column.index] == sent.index][0, Column.stratum])


def test_each_stratum_goes_its_own_way() -> None:
    """Genuine events twice, one after the other; duplicates at one instant, and once more; forged ones once."""
    result, transport, raw, outcomes = logged(mixed(), failing(1))
    case = {int(row[Column.index]): result.engine._plan.unpack(int(row[Column.stratum]))[2] for row in raw}
    by_index: dict[int, list[SentRequest]] = {}
    for each in transport.sent:
        by_index.setdefault(each.index, []).append(each)
    found = Counter(case.values())
    assert min(found[number] for number in (GENUINE, DUPLICATE, FORGED)) > 20
    for index, sent in by_index.items():
        if case[index] == GENUINE:
            assert [each.attempt for each in sent] == [1, 2]
            assert sent[1].at_ns >= sent[0].at_ns + 22 * MS
        elif case[index] == DUPLICATE:
            assert [each.attempt for each in sent] == [1] * (COPIES + 1)
            assert len({each.at_ns for each in sent[:COPIES]}) == 1
        else:
            assert len(sent) == 1
    assert (outcomes.ending == Ending.succeeded).sum() == found[GENUINE] + found[DUPLICATE]


def test_volleys_go_on_when_the_provider_has_switched_the_endpoint_off() -> None:
    """As forged events do: a case asks what the endpoint does with it, whatever the provider's profile says."""
    result, _, raw, _ = logged(mixed({"profile": "shopify", "schedule": ["20ms"]}), failing(9))
    off = raw[raw[:, Column.code] == ERROR_BASE + ErrorKind.switched_off]
    assert {result.engine._plan.unpack(int(stratum))[2] for stratum in off[:, Column.stratum]} == {GENUINE}
    assert len(off) > 20
    later = raw[raw[:, Column.sent] > off[:, Column.due].min()]
    assert {result.engine._plan.unpack(int(stratum))[2] for stratum in later[:, Column.stratum]} >= {DUPLICATE, FORGED}


def test_what_failed_is_logged_while_its_event_still_waits() -> None:
    """A shard that is lost before the next attempt takes none of the deliveries along that have ended."""

    class Counting(RawRows):
        """Notes how much it had when the last events were still to be sent."""

        rows: Ints

        def add(self, table: Ints, *, outcomes: bool) -> None:
            super().add(table, outcomes=outcomes)
            if not outcomes and not hasattr(self, "rows"):
                self.rows = table.copy()

    raw = Counting(0)
    of = scenario([{"rate": "100/s", "duration": "100ms"}], {"timeout": "1s"}, retry={"schedule": ["1h"]})
    play(of, failing(9), logs=[raw])
    assert set(raw.rows[:, Column.code].tolist()) == {503}
    assert set(raw.rows[:, Column.attempt].tolist()) == {1}


def test_a_shared_pacer_wakes_each_at_its_instant() -> None:
    """Whoever arms later, and whichever is armed anew."""
    loop = VirtualLoop()
    woken: list[tuple[str, int]] = []
    shared = SharedPacer(ScriptedPacer(loop))
    one, other = shared.part(), shared.part()

    def wake_one() -> None:
        woken.append(("one", loop.now_ns() - START_NS))
        if len(woken) < 4:
            one.arm(loop.now_ns() + 10 * MS)

    one.start(wake_one)
    other.start(lambda: woken.append(("other", loop.now_ns() - START_NS)))
    other.arm(START_NS + 25 * MS)
    one.arm(START_NS + 10 * MS)
    loop.call_later(0.1, loop.stop)
    loop.run_forever()
    loop.close()
    assert woken == [("one", 10 * MS), ("one", 20 * MS), ("other", 25 * MS), ("one", 30 * MS)]
