"""Measures the verification of one delivery in process: ours, the standard library's MACs, libraries, and the user's.

Each round measures everything once, so that a slow time of the machine affects all rows. Verifiers are checked before
and after the measurement.
"""

from __future__ import annotations

import secrets
import ssl
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadsim import __version__
from loadsim.launch.environment import environment
from loadsim.measure.timing_statistics import WIDEST, at_most, batch_size, median_interval, spread
from loadsim.model import NS_PER_MS, NS_PER_S, Secret
from loadsim.run.run_ids import new_id
from loadsim.secret_sources import new_secret
from loadsim.signing import Scheme
from loadsim.signing.mac import derive_key
from loadsim.studies.bench_verify import verifiers
from loadsim.studies.bench_verify.deliveries import Maker, SignedDelivery
from loadsim.studies.bench_verify.result import (
    SCHEMA,
    BoundRow,
    Delivery,
    Ending,
    VerifierCheck,
    VerifyBench,
    VerifyRow,
)
from loadsim.studies.bench_verify.verifiers import Contender
from loadsim.studies.cpu_timer import one_core, timed
from loadsim.studies.save import utc_now
from loadsim.studies.steps_left import step_line

SIZES = (64, 300, 1_000, 7_000, 20_000, 256_000)
ROUNDS = 15
URL = "https://example.test/webhooks"
JUDGED_SIZE = 300
"""The body size of the bounds."""
BOUND_TWO_STATE = 1.7
BOUND_MAC = 2.0
DEFAULT_SCHEME = "trackpilots"
_BATCH_NS = 1.5 * NS_PER_MS
_MOST_CALLS = 2_048


@dataclass(frozen=True)
class VerifyRequest:
    """What is measured. `own` is the user's verifier of the first scheme, with the secret `secret`."""

    schemes: Sequence[Scheme]
    sizes: Sequence[int] = SIZES
    rounds: int = ROUNDS
    secret: Secret | None = None
    """None: a random one, valid in every key format, or a new private key."""
    own: Contender | None = None
    url: str = URL


@dataclass
class _Cell:
    """One row while it is being measured: µs per call, one figure a round."""

    contender: Contender
    us: list[float] = field(default_factory=list)
    calls: int = 0


@dataclass
class _Group:
    """Everything that is measured on the same deliveries."""

    maker: Maker
    size: int
    delivery: Delivery
    cells: list[_Cell]

    def made(self) -> list[SignedDelivery]:
        """The deliveries, signed as of now."""
        now_ns = time.time_ns()
        good = self.maker.pile(self.size, now_ns)
        if self.delivery == "good":
            return good
        return [self.maker.unlike(each, several=self.delivery == "listed") for each in good]


class VerifyBenchmark:
    """One benchmark. `interrupt` ends it after the present round; the figures so far are kept."""

    def __init__(
        self,
        request: VerifyRequest,
        say: Callable[[str], None] = lambda _: None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._request = request
        self._say = say
        self._progress = progress
        self._secret = request.secret or Secret(secrets.token_hex(24))
        self._keys = {each.name: self._key_of(each) for each in request.schemes}
        self._makers = [Maker(each, self._keys[each.name], request.url) for each in request.schemes]
        self._strangers = [Maker(each, new_secret(each), request.url) for each in request.schemes]
        self._verifiers = {each.name: self._verifiers_of(each) for each in request.schemes}
        self._judged: dict[tuple[str, str], VerifierCheck] = {}
        self._cpu = self._wall = self._rounds = 0
        self._stopped = False

    def interrupt(self) -> None:
        """End after the present round."""
        self._stopped = True

    def execute(self) -> VerifyBench:
        """Check, warm up, measure, check again."""
        started = utc_now()
        self._judge()
        for found in self._judged.values():
            for fault in found.faults:
                self._say(f"{found.name} ({found.scheme}) {fault}: not timed")
        groups = list(self._groups())
        with one_core() as core:
            for group in groups:
                self._round(group, warming=True)
            began_s = time.monotonic()
            for number in range(self._request.rounds):
                if self._stopped:
                    break
                for group in groups:
                    self._round(group)
                self._rounds += 1
                rounds = self._request.rounds
                left_s = (time.monotonic() - began_s) / (number + 1) * (rounds - number - 1)
                self._progress(step_line(number + 1, rounds, left_s, "round measured"))
        self._judge()
        return self._result(started, core, groups)

    def _key_of(self, scheme: Scheme) -> Secret:
        return self._secret if self._request.secret or scheme.pair is None else new_secret(scheme)

    def _verifiers_of(self, scheme: Scheme) -> list[Contender]:
        secret = self._keys[scheme.name]
        found = [verifiers.ours(scheme, secret, self._request.url)]
        library = verifiers.library(scheme, secret)
        if library is not None:
            found.append(library)
        if self._request.own is not None and scheme is self._request.schemes[0]:
            found.append(self._request.own)
        return found

    def _judge(self) -> None:
        """Check every verifier; faults of an earlier check are kept."""
        size = min(self._request.sizes)
        for maker, stranger in zip(self._makers, self._strangers, strict=True):
            now_ns = time.time_ns()
            questions = maker.questions(size, now_ns, stranger)
            for contender in self._verifiers[maker.scheme.name]:
                key = (maker.scheme.name, contender.name)
                before = self._judged[key].faults if key in self._judged else []
                found = verifiers.faults(contender, questions, now_ns / NS_PER_S)
                self._judged[key] = VerifierCheck(
                    scheme=maker.scheme.name,
                    name=contender.name,
                    version=contender.version,
                    asked=[question.words for question in questions],
                    faults=[*before, *(fault for fault in found if fault not in before)],
                )

    def _groups(self) -> Iterator[_Group]:
        largest = max(self._request.sizes)
        for maker in self._makers:
            scheme = maker.scheme
            right = [each for each in self._verifiers[scheme.name] if not self._judged[scheme.name, each.name].faults]
            codes = self._codes_of(scheme)
            for size in self._request.sizes:
                yield _Group(maker, size, "good", [_Cell(each) for each in (*codes, *right)])
            yield _Group(maker, self._listed_size, "listed", [_Cell(each) for each in right])
            yield _Group(maker, largest, "largest", [_Cell(each) for each in right])

    def _codes_of(self, scheme: Scheme) -> list[Contender]:
        """The codes without a check that a verifier is compared with; a token has none."""
        if scheme.token is not None:
            return []
        digest, key = scheme.digest, derive_key(scheme, self._keys[scheme.name])
        codes = [verifiers.plain_hash(digest), verifiers.two_state(key, digest), *verifiers.standard_macs(key, digest)]
        other = verifiers.cryptography_mac(key, digest)
        return codes if other is None else [*codes, other]

    @property
    def _listed_size(self) -> int:
        sizes = self._request.sizes
        return JUDGED_SIZE if JUDGED_SIZE in sizes else min(sizes)

    def _round(self, group: _Group, *, warming: bool = False) -> None:
        """Measure one batch of every cell, in rotating order."""
        made = group.made()
        start = self._rounds % len(group.cells) if group.cells else 0
        now_s = time.time()
        for cell in group.cells[start:] + group.cells[:start]:
            arguments = [_arguments(cell.contender, each, now_s) for each in made]
            call = cell.contender.call if group.delivery == "good" else _refusing(cell.contender.call)
            if warming:
                timed(call, arguments)
                took = timed(call, arguments)
                cell.calls = batch_size(took.cpu / len(arguments), _BATCH_NS, _MOST_CALLS)
                continue
            batch = (arguments * (cell.calls // len(arguments) + 1))[: cell.calls]
            took = timed(call, batch)
            self._cpu += took.cpu
            self._wall += took.wall
            cell.us.append(took.cpu / len(batch) / 1000)

    # -- the result ---------------------------------------------------------------------------------------------------

    def _result(self, started: str, core: int | None, groups: Sequence[_Group]) -> VerifyBench:
        rows = [row for group in groups if self._rounds for row in self._rows(group)]
        bounds = list(self._bounds(groups)) if self._rounds else []
        faulty = [found for found in self._judged.values() if found.faults]
        reasons = [f"{found.name} ({found.scheme}): {fault}" for found in faulty for fault in found.faults]
        reasons += [f"{row.text}: {row.why or f'{row.found:.2f}'}" for row in bounds if row.outcome != "met"]
        return VerifyBench(
            schema=SCHEMA,
            id=new_id("bench-verify"),
            started_at=started,
            ended_at=utc_now(),
            version=__version__,
            openssl=ssl.OPENSSL_VERSION,
            core=core,
            rounds=self._rounds,
            lost_share=max(0.0, 1 - self._cpu / self._wall) if self._wall else 0.0,
            rows=[row for row in rows if not self._faulty(row)],
            judged=list(self._judged.values()),
            bounds=bounds,
            lacking=self._lacking(),
            ending=_ending(bounds, faulty=bool(faulty), whole=self._rounds == self._request.rounds),
            reasons=reasons,
            environment=environment(),
        )

    def _faulty(self, row: VerifyRow) -> bool:
        found = self._judged.get((row.scheme, row.name))
        return found is not None and bool(found.faults)

    def _rows(self, group: _Group) -> Iterator[VerifyRow]:
        two_state, mac = _yardsticks(group)
        for cell in group.cells:
            us = spread(cell.us)
            yield VerifyRow(
                scheme=group.maker.scheme.name,
                size=group.size,
                delivery=group.delivery,
                name=cell.contender.name,
                kind=cell.contender.kind,
                us=us,
                per_second=1e6 / us.median,
                of_two_state=_ratio(cell, two_state),
                of_mac=_ratio(cell, mac),
            )

    def _bounds(self, groups: Sequence[_Group]) -> Iterator[BoundRow]:
        for group in groups:
            if group.size != JUDGED_SIZE or group.delivery != "good":
                continue
            two_state, mac = _yardsticks(group)
            cell = next((cell for cell in group.cells if cell.contender.name == "loadsim"), None)
            if cell is None or two_state is None or mac is None:
                continue
            name, size = group.maker.scheme.name, f"{JUDGED_SIZE} B"
            if name == DEFAULT_SCHEME:
                yield _bound(f"{name}, {size}: loadsim / bare two-state", cell, two_state, BOUND_TWO_STATE)
            yield _bound(f"{name}, {size}: loadsim / {mac.contender.name}", cell, mac, BOUND_MAC)

    def _lacking(self) -> list[str]:
        wanted = dict.fromkeys(name for scheme in self._request.schemes if (name := verifiers.library_name(scheme)))
        found = {each.name for several in self._verifiers.values() for each in several}
        lacking = [name for name in wanted if name not in found]
        if verifiers.cryptography_mac(b"k", "sha256") is None:
            lacking.insert(0, "cryptography")
        return [f"{name} is not installed" for name in lacking]


def _arguments(contender: Contender, made: SignedDelivery, now_s: float) -> tuple[Any, ...]:
    if contender.takes == "message":
        return (made.message,)
    if contender.takes == "moment":
        return (made.headers, made.body, now_s)
    return (made.as_framework, made.body)


def _refusing(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same for deliveries that are refused; some verifiers raise an exception."""

    def refused(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception:  # noqa: BLE001 - its no
            return None

    return refused


def _yardsticks(group: _Group) -> tuple[_Cell | None, _Cell | None]:
    """The bare two-state digest, and the faster MAC of the standard library."""
    two_state = next((cell for cell in group.cells if cell.contender.name.startswith("bare")), None)
    macs = [cell for cell in group.cells if cell.contender.name in {"hmac.digest", "hmac.new"}]
    return two_state, min(macs, key=lambda cell: statistics.median(cell.us), default=None)


def _ratios(cell: _Cell, base: _Cell) -> list[float]:
    """The ratios round by round, so that a slow round affects both figures of a ratio."""
    return [mine / other for mine, other in zip(cell.us, base.us, strict=True)]


def _ratio(cell: _Cell, base: _Cell | None) -> float | None:
    return None if base is None else statistics.median(_ratios(cell, base))


def _bound(text: str, cell: _Cell, base: _Cell, limit: float) -> BoundRow:
    ratios = _ratios(cell, base)
    interval, width = median_interval(ratios), spread(ratios).width
    outcome = at_most(interval, limit, (width,))
    why = ""
    if outcome == "unsure":
        why = "too few rounds for an interval"
        if interval is not None:
            why = f"95 % interval {interval[0]:.2f} to {interval[1]:.2f}: on neither side of {limit:g}"
        if width > WIDEST:
            why = f"the quartiles of its rounds are {width:.0%} apart, more than {WIDEST:.0%}: a noisy machine"
    return BoundRow(
        text=f"{text} ≤ {limit:g}",
        limit=limit,
        found=statistics.median(ratios),
        interval=interval,
        outcome=outcome,
        why=why,
    )


def _ending(bounds: Sequence[BoundRow], *, faulty: bool, whole: bool) -> Ending:
    """The ending: wrong answers count on any machine, times only on a quiet one."""
    if not whole:
        return "interrupted"
    outcomes = {row.outcome for row in bounds}
    if faulty:
        return "fail"
    if "unsure" in outcomes:
        return "unsure"
    return "fail" if "missed" in outcomes else "pass"
