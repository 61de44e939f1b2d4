"""What verification costs: right answers before any time, the user's own verifier, verdicts only from quiet figures."""

from __future__ import annotations

import hmac
from pathlib import Path

import msgspec
import pytest

from loadsim.exit_codes import BENCHES
from loadsim.measure.timing_statistics import WIDEST
from loadsim.model import Secret, UsageError
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme, scheme_names
from loadsim.signing.mac import derive_key
from loadsim.studies.bench_verify import procedure as bench_verify
from loadsim.studies.bench_verify.deliveries import MOST, SMALLEST_BODY, Maker, body_of, tampered_body, timeable
from loadsim.studies.bench_verify.procedure import VerifyBenchmark, VerifyRequest
from loadsim.studies.bench_verify.result import VerifyBench
from loadsim.studies.bench_verify.verifiers import CheckDelivery, Contender, faults, ours, two_state
from loadsim.studies.cpu_timer import Took
from loadsim.user_code import load_object
from tests.launch.support import SECRET, SECRET_ENV, loadsim
from tests.report.rendering import render_summary, render_text

URL = "https://example.test/webhooks"
TIMEABLE = [name for name in scheme_names() if scheme(name).is_usual and scheme(name).key != "hex"]
TOKENS = [name for name in scheme_names() if scheme(name).token is not None and timeable(scheme(name))]
KEY = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
STRANGER = Secret("whsec_plJ3nmyCDGBKInavdOK15jsl")
NOW_NS = 1_746_123_456_000_000_000
OWN = f"""
import hashlib, hmac, os, time

KEY = os.environ["{SECRET_ENV}"].encode()

def verify(headers, body):
    stamp = headers["X-Webhook-Timestamp"]
    if abs(time.time() - int(stamp)) > 300:
        return False
    code = hmac.new(KEY, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(code, headers["X-Webhook-Signature"])

def forgetful(headers, body):
    code = hmac.new(KEY, headers["X-Webhook-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(code, headers["X-Webhook-Signature"])

async def slow(headers, body):
    return True
"""


@pytest.mark.parametrize("size", [SMALLEST_BODY, 65, 300, 301, 1000, 20_000])
def test_a_body_is_json_of_exactly_that_size(size: int) -> None:
    body = body_of(size, NOW_NS // 10**6, 15)
    assert len(body) == size
    assert msgspec.json.decode(body)["webhookTimestamp"] == NOW_NS // 10**6
    tampered = tampered_body(body)
    assert msgspec.json.decode(tampered) != msgspec.json.decode(body)
    assert len(tampered) == size


@pytest.mark.parametrize("name", TIMEABLE)
def test_deliveries_are_genuine_different_and_cover_the_bytes_that_the_yardsticks_hash(name: str) -> None:
    made = Maker(scheme(name), KEY, URL).pile(300, NOW_NS)
    assert len({each.body for each in made}) == MOST
    verifier = scheme(name).verifier(KEY, url=URL)
    key = derive_key(scheme(name), KEY)
    for each in made:
        assert verifier.verify(each.headers, each.body, NOW_NS / 1e9) is None
        code = hmac.digest(key, each.message, scheme(name).digest)
        assert two_state(key, scheme(name).digest).call(each.message) == code
        signature = each.headers[scheme(name).signature.name.lower()]
        assert scheme(name).encoding != "hex" or signature.endswith(code.hex())


@pytest.mark.parametrize("name", TIMEABLE)
@pytest.mark.parametrize("several", [True, False])
def test_hostile_deliveries_are_refused_by_ours(name: str, *, several: bool) -> None:
    maker = Maker(scheme(name), KEY, URL)
    bad = maker.unlike(maker.delivery(300, NOW_NS), several=several)
    assert scheme(name).verifier(KEY, url=URL).verify(bad.headers, bad.body, NOW_NS / 1e9) is not None
    length = len(bad.headers[scheme(name).signature.name.lower()])
    assert 7_800 < length <= 8_000 if several else length < 200


@pytest.mark.parametrize("name", TIMEABLE)
def test_ours_decides_every_question_rightly(name: str) -> None:
    questions = Maker(scheme(name), KEY, URL).questions(300, NOW_NS, Maker(scheme(name), STRANGER, URL))
    assert [question.genuine for question in questions] == [True, *[False] * (len(questions) - 1)]
    assert faults(ours(scheme(name), KEY, URL), questions, NOW_NS / 1e9) == []


def test_verifiers_of_tokens_are_asked_and_timed_without_the_yardsticks_of_a_mac() -> None:
    assert {"plaid", "netlify"} <= set(TOKENS)
    assert not timeable(scheme("monday")), "its body is not signed"
    request = VerifyRequest(schemes=[scheme(name) for name in TOKENS], sizes=(300,), rounds=1)
    result = VerifyBenchmark(request).execute()
    assert [(found.scheme, found.faults) for found in result.judged] == [(name, []) for name in TOKENS]
    assert {"a tampered body", "a signature under another key"} <= set(result.judged[0].asked)
    assert {(row.scheme, row.delivery) for row in result.rows} == {
        (name, delivery) for name in TOKENS for delivery in ("good", "listed", "largest")
    }
    assert {row.name for row in result.rows} == {"loadsim"}
    assert render_text(result)


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("several", [True, False])
def test_hostile_tokens_are_refused(name: str, *, several: bool) -> None:
    secret = new_secret(scheme(name))
    maker = Maker(scheme(name), secret, URL)
    bad = maker.unlike(maker.delivery(300, NOW_NS), several=several)
    assert scheme(name).verifier(secret, url=URL).verify(bad.headers, bad.body, NOW_NS / 1e9) is not None
    assert (7_700 < len(bad.headers[scheme(name).signature.name.lower()]) <= 8_000) == several


ASKED = [
    CheckDelivery("the good one", {}, b"good", genuine=True),
    CheckDelivery("the bad one", {}, b"bad", genuine=False),
]


def raising(headers: object, body: bytes) -> None:
    if body != b"good":
        raise ValueError


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda _, body: body == b"good", []),
        (lambda _, body: {"event": 1} if body == b"good" else None, []),
        (raising, []),
        (lambda _, body: None if body == b"good" else "wrong signature", []),
        (lambda *_: True, ["accepts the bad one"]),
        (lambda *_: None, ["accepts the bad one"]),
        (lambda *_: False, ["refuses the good one"]),
        (lambda _, body: body == b"bad", ["refuses the good one", "accepts the bad one"]),
        (lambda headers, _: headers["x"], ["refuses the good one: raised KeyError"]),
    ],
)
def test_yes_and_no_are_understood_as_verifiers_say_them(call: object, found: list[str]) -> None:
    assert callable(call)
    assert faults(Contender("x", "verifier", "delivery", call), ASKED, 0.0) == found


def sitting(monkeypatch: pytest.MonkeyPatch, cost: object) -> VerifyBench:
    """A sitting on a clock of our own: `cost(call, batch)` is the CPU time of one batch, ns."""
    assert callable(cost)
    turns = iter(range(10**6))

    def timed(call: object, batch: list[object]) -> Took:
        took = round(cost(getattr(call, "__qualname__", ""), next(turns)) * len(batch))
        return Took(took, 2 * took)

    monkeypatch.setattr(bench_verify, "timed", timed)
    request = VerifyRequest(schemes=[scheme("trackpilots")], sizes=(64, 300), rounds=8)
    return VerifyBenchmark(request).execute()


def test_figures_are_those_of_the_clock_and_bounds_are_judged_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    result = sitting(monkeypatch, lambda name, _: 1500 if name == "Verifier.verify" else 1000)
    assert result.ending == "pass"
    assert result.lost_share == pytest.approx(0.5)
    row = next(row for row in result.rows if row.name == "loadsim" and row.size == 300 and row.delivery == "good")
    assert row.us.median == pytest.approx(1.5)
    assert row.of_two_state == row.of_mac == pytest.approx(1.5)
    assert [bound.outcome for bound in result.bounds] == ["met", "met"]
    assert {row.delivery for row in result.rows} == {"good", "listed", "largest"}


def test_a_bound_that_is_missed_fails_and_a_noisy_sitting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = sitting(monkeypatch, lambda name, _: 2500 if name == "Verifier.verify" else 1000)
    assert slow.ending == "fail"
    assert [bound.outcome for bound in slow.bounds] == ["missed", "missed"]
    noisy = sitting(monkeypatch, lambda _, turn: (700, 1000, 1400)[turn % 3])
    assert noisy.ending == "unsure"
    assert any(f"more than {WIDEST:.0%}" in reason for reason in noisy.reasons)
    assert "INVALID" in render_text(noisy)


async def test_the_users_own_verifier_is_judged_then_timed(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(OWN, encoding="utf-8")
    size = ("--size", "64B", "--rounds", "6", "-q")
    done = await loadsim("bench", "verify", "--verifier", "shop:verify", *size, "--json", cwd=tmp_path)
    result = msgspec.json.decode(done.out, type=VerifyBench)
    # a busy machine may make the times unsure, or miss a bound on them, which decides nothing here
    assert done.code == BENCHES[result.ending], done.err
    assert {row.name for row in result.rows if row.kind == "verifier"} == {"loadsim", "shop:verify"}
    assert not any(found.faults for found in result.judged)
    assert SECRET not in done.out + done.err
    (kept,) = (tmp_path / "reports").glob("*/verify.json")
    assert kept.read_text("utf-8") == done.out


async def test_a_verifier_that_errs_is_named_and_has_no_times(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(OWN, encoding="utf-8")
    own = ("--verifier", "shop:forgetful", "--size", "64B", "--rounds", "6", "-q")
    done = await loadsim("bench", "verify", *own, cwd=tmp_path)
    assert done.code == 99, done.err
    assert "✗ accepts a stale delivery" in done.out
    assert not [line for line in done.out.splitlines() if "shop:forgetful (verifier)" in line]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--verifier", "shop:nothing"], "shop has no nothing"),
        (["--verifier", "shop:slow"], "is async"),
        (["--verifier", "shop:KEY"], "is not a function"),
        (["--verifier", "nowhere.at.all:x"], "the module nowhere is neither here"),
        (["--verifier", "shop"], "write package.module:name"),
        (["--verifier", "shop:verify", "--scheme", "stripe", "--scheme", "slack"], "needs exactly one --scheme"),
        (["--secret-env", "X"], "for --verifier only"),
        (["--scheme", "strip"], 'did you mean "stripe"?'),
        (["--size", "10B"], "must lie between"),
        (["--size", "ten"], "--size"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_measured(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from loadsim.cli.bench_verify import command

    (tmp_path / "shop.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "reports").exists()


def test_what_a_module_raises_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_shop.py").write_text("raise RuntimeError('no\\ndatabase')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"^--app broken_shop:app: importing broken_shop raised RuntimeError: no data"):
        load_object("broken_shop:app", "--app")


def test_the_report_names_what_errs_and_foreign_text_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    result = sitting(monkeypatch, lambda *_: 1000)
    wrong = msgspec.structs.replace(result.judged[0], name="a|b<c>\x1b", faults=["accepts a tampered body"])
    shown = msgspec.structs.replace(result, judged=[wrong], ending="fail")
    for text in (render_text(shown), render_summary(shown)):
        assert "FAIL" in text
        assert "accepts a tampered body" in text
        assert "\x1b" not in text
    assert "a\\|b&lt;c&gt;" in render_summary(shown)
