"""What a launcher makes of what hosts say: who is up, who is lost, and what is counted once."""

from __future__ import annotations

from loadsim.engine.messages import Frame, FromShard, Last, Ready, encode
from loadsim.engine.silence_clock import LOOK_NS, Listening
from loadsim.launch.collect import Collector
from loadsim.launch.dask.hosts import Hosts
from loadsim.launch.launcher import Intake
from loadsim.launch.liveness import HOST_SILENCE_NS
from loadsim.measure.cells import Metric
from loadsim.measure.tally import Tally
from loadsim.model import NS_PER_S
from tests.measure.rows import MS, START, answered, array

PLACES = (("a", "tcp://a:1"), ("b", "tcp://b:1"))


class Fake:
    """Two hosts with two shards each, all of which are ready; time is what the caller says."""

    def __init__(self) -> None:
        self.collector = Collector(1, 4)
        self.hosts = Hosts(PLACES, 4)
        self.lines: list[str] = []
        self.hosts.say = self.lines.append
        self.hosts.take_up(Intake(self.collector, lambda: None))
        self.tallies = [Tally(1, START, [-1]) for _ in range(4)]
        for shard in range(4):
            self.say(shard, Ready("host", 1, "0", 100, False))

    def say(self, shard: int, message: FromShard, now_ns: int = 0) -> None:
        self.hosts.hear({"host": shard % 2, "shard": shard, "data": encode(message)[4:]}, now_ns)

    def frame(self, shard: int, seq: int) -> Frame:
        """The next second of a shard, in which one event more ended."""
        self.tallies[shard].fold(array([answered(0, MS)]))
        return Frame(
            seq=seq, elapsed_ns=seq, planned=[seq], ended=seq, in_flight=0, queued=0, connections=1,
            connections_peak=1, opened=1, saturated_ns=0, limit_reached="", cpu_s=0.0, rss_bytes=0,
            tally=self.tallies[shard].drain(), samples=[],
        )  # fmt: skip

    @property
    def counted(self) -> int:
        return int(self.collector.merged.counts(Metric.response, [0]).sum())


def test_shards_are_dealt_out_evenly_and_known_by_their_host() -> None:
    fake = Fake()
    assert [host.shards for host in fake.hosts.all] == [[0, 2], [1, 3]]
    assert [state.place for state in fake.collector.states] == ["a", "b", "a", "b"]
    assert [fake.hosts.of_shard(number).label for number in range(4)] == ["a", "b", "a", "b"]
    assert fake.hosts.up.is_set()


def test_silence_loses_a_host_with_what_of_it_was_under_way() -> None:
    fake = Fake()
    fake.say(1, fake.frame(1, 1), 10)
    fake.say(3, Last(fake.frame(3, 1), 0, 1), 10)
    for now_ns in range(10 + LOOK_NS, 10 + HOST_SILENCE_NS, LOOK_NS):
        fake.hosts.check(now_ns)
    fake.hosts.hear({"host": 0}, HOST_SILENCE_NS)  # a sign of life is enough
    fake.hosts.check(10 + HOST_SILENCE_NS)
    assert not fake.lines
    fake.hosts.news.clear()
    fake.hosts.check(11 + HOST_SILENCE_NS)
    assert fake.lines == ["b was lost: no message from it for 2 s"]
    assert fake.hosts.news.is_set()
    assert [bool(state.lost) for state in fake.collector.states] == [False, True, False, False]
    assert fake.hosts.count_lost() == 1
    assert [host.label for host in fake.hosts.busy] == ["a"]
    fake.say(1, fake.frame(1, 2), 20)  # too late: its counts are final
    assert fake.counted == 2


def test_a_launcher_that_was_stopped_and_continued_calls_nobody_silent() -> None:
    fake = Fake()
    fake.hosts.started(0)
    fake.collector.started(0)
    later_ns = 3600 * NS_PER_S
    fake.hosts.check(later_ns)  # before anything that waits is read
    assert not fake.collector.silent(later_ns)
    for shard in range(4):
        fake.say(shard, fake.frame(shard, 1), later_ns + 1)
    fake.hosts.check(later_ns + LOOK_NS)
    assert not fake.collector.silent(later_ns + LOOK_NS)
    assert not fake.lines
    looks = range(later_ns, later_ns + 10 * NS_PER_S, LOOK_NS)
    assert [fake.collector.silent(now_ns) for now_ns in looks][-1] == [0, 1, 2, 3], "silence is still found"


def test_time_of_a_listener_goes_on_by_looks_and_never_back() -> None:
    listening = Listening()
    times = [listening.at(now_ns) for now_ns in (7, 8, 8 + LOOK_NS, 10**15, 10**15 - 5, 10**15)]
    assert times == [0, 1, 1 + LOOK_NS, 1 + 2 * LOOK_NS, 1 + 2 * LOOK_NS, 6 + 2 * LOOK_NS]


def test_a_host_whose_shards_are_done_may_be_silent_or_go_away() -> None:
    fake = Fake()
    for shard in range(4):
        fake.say(shard, Last(fake.frame(shard, 1), 0, 1), 10)
        fake.hosts.hear({"host": shard % 2, "shard": shard, "code": 0}, 10)
    fake.hosts.check(10 * HOST_SILENCE_NS)
    fake.hosts.lose(fake.hosts.all[0], "its worker has stopped")
    assert not fake.lines
    assert not any(state.lost for state in fake.collector.states)


def test_a_process_that_ends_before_its_last_word_is_lost() -> None:
    fake = Fake()
    fake.hosts.hear({"host": 0, "shard": 2, "code": -9}, 10)
    assert fake.collector.states[2].lost == "the process ended with signal 9"
    assert not fake.collector.states[0].lost


def test_a_frame_that_comes_twice_or_late_is_counted_once_or_missed() -> None:
    fake = Fake()
    first, second, third = (fake.frame(0, seq) for seq in (1, 2, 3))
    for frame in (first, first):
        fake.say(0, frame)
    assert fake.counted == 1
    assert not fake.collector.states[0].frames_missing
    for frame in (third, second):
        fake.say(0, frame)
    assert fake.counted == 2
    assert fake.collector.ended([0]) == 3  # what is cumulative is as of the latest
    assert fake.collector.states[0].frames_missing
