"""One million forged deliveries against the verifier of every scheme, in this process: how many get in.

    python -m tests.benchmarks.forgeries [--forgeries 1000000] [--seed 1]

Every scheme gets the same share, spread over its ideas: each case of the scheme that an endpoint must refuse, as a
scenario sends it, and changes that are drawn at random (see `CHANGES`). One delivery in a hundred is genuine and must
be accepted, so that a verifier that refuses everybody is found too. `forged` does the same over HTTP with the cases of
one scheme. Cases that each cost a signature of RSA are made 25 times and sent again.

Not counted as forged: what is right by the standard (ECDSA with n - s in place of s) or by the provider's formula
(fields of a form whose names and values joined are the same text, which Twilio's cannot tell apart).
"""

from __future__ import annotations

import argparse
import hashlib
import random  # noqa: TID251 - what is drawn here is in no run
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from loadsim.cases import RequestMaker, case_rules
from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.cases.signature_places import signature_place
from loadsim.events import default_types
from loadsim.model import NS_PER_S, Secret, SignedRequest
from loadsim.plan import Case, EventMix
from loadsim.secret_sources import new_secret
from loadsim.signing import Scheme, family, scheme, scheme_names
from loadsim.signing.algorithms import READERS, WRITERS
from tests.benchmarks import common

FORGERIES = 1_000_000
GENUINE_EVERY = 100
POOL = 64
"""Genuine deliveries of a scheme that random changes start from."""
NOW_NS = 1_800_000_000 * NS_PER_S
URL = "https://example.test/hooks?data.id=7"
ACCEPTABLE = ("malformed_json", "wrong_content_type", "body_over_limit")
"""Cases with a right signature: a verifier accepts them, and the receiver refuses them for another reason."""
RSA_CASES = 25
"""Of a kind, where each costs a signature of RSA."""
_ALPHABET = {
    "base64": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "base64url": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
}


class Of(NamedTuple):
    """What random changes of a scheme need."""

    scheme: Scheme
    pool: list[SignedRequest]
    draw: random.Random

    def pick(self) -> SignedRequest:
        return self.draw.choice(self.pool)

    def with_code(self, change: Callable[[bytes], bytes]) -> SignedRequest | None:
        """A genuine delivery with another signature, as bytes before it is written; None where that changes nothing."""
        if self.scheme.token is not None:  # the cases of tokens forge each of its parts
            return None
        request, place, prefix = self.pick(), signature_place(self.scheme), self._prefix()
        value = place.value(request)
        head, _, code = value.rpartition(prefix) if prefix else (b"", b"", value)
        read = READERS.get(self.scheme.encoding, bytes)
        written = WRITERS[self.scheme.encoding](change(read(code))).encode()
        return None if written == code else place.replaced(request, head + prefix + written)

    def with_text(self, change: Callable[[bytes], bytes]) -> SignedRequest | None:
        """The same with the text of the signature changed."""
        if self.scheme.token is not None:  # the cases of tokens forge each of its parts
            return None
        request, place, prefix = self.pick(), signature_place(self.scheme), self._prefix()
        value = place.value(request)
        head, _, code = value.rpartition(prefix) if prefix else (b"", b"", value)
        changed = change(code)
        return None if changed == code else place.replaced(request, head + prefix + changed)

    def _prefix(self) -> bytes:
        return self.scheme.signature.prefix or (b"," if self.scheme.signature.timestamp_prefix is not None else b"")


def _random(of: Of) -> SignedRequest | None:
    return of.with_code(lambda code: of.draw.randbytes(len(code))) if of.scheme.algorithm != "none" else None


def _bit(of: Of) -> SignedRequest | None:
    def flipped(code: bytes) -> bytes:
        place = of.draw.randrange(8 * len(code))
        return (int.from_bytes(code, "big") ^ 1 << place).to_bytes(len(code), "big")

    return of.with_code(flipped) if of.scheme.encoding != "text" else None


def _length(of: Of) -> SignedRequest | None:
    if of.scheme.encoding == "text":
        return None
    more = of.draw.randbytes(of.draw.randint(1, 3))
    return of.with_code(of.draw.choice((lambda code: code[: -len(more)], lambda code: code + more)))


def _respelled(of: Of) -> SignedRequest | None:
    """The same bytes written in another way."""
    encoding, draw = of.scheme.encoding, of.draw

    def respelled(code: bytes) -> bytes:
        if encoding in ("hex", "HEX"):
            return code.swapcase()
        if encoding not in _ALPHABET:
            return code
        bare = code.rstrip(b"=")
        unused = {0: 0, 2: 4, 3: 2}[len(bare) % 4]
        letters, ways = _ALPHABET[encoding].encode(), [bare, code + b"="]
        if unused:
            last = letters.index(bare[-1:]) | draw.randrange(1, 1 << unused)
            ways.append(bare[:-1] + letters[last : last + 1] + code[len(bare) :])
        return draw.choice(ways)

    return of.with_text(respelled)


def _body_byte(of: Of) -> SignedRequest | None:
    if not of.scheme.covers_body:
        return None
    request = of.pick()
    place, body = of.draw.randrange(len(request.body)), bytearray(request.body)
    body[place] ^= of.draw.randrange(1, 256)
    return SignedRequest(request.headers, bytes(body))


def _other_body(of: Of) -> SignedRequest | None:
    """The headers of one delivery and the body of another."""
    if of.scheme.algorithm == "none" or of.scheme.token is not None or of.scheme.signature.place != "header":
        return None
    if not (of.scheme.covers_body or any(part.is_of_body for part in of.scheme.parts)):
        return None
    request, other = of.draw.sample(of.pool, 2)
    return SignedRequest(request.headers, other.body)


def _other_signature(of: Of) -> SignedRequest | None:
    """A delivery with the signature of another one that was signed at the same instant."""
    if of.scheme.algorithm == "none" or of.scheme.token is not None:
        return None
    request, other = of.draw.sample(of.pool, 2)
    place = signature_place(of.scheme)
    return place.replaced(request, place.value(other))


def _other_time(of: Of) -> SignedRequest | None:
    timestamp = of.scheme.timestamp
    if timestamp is None or timestamp.place != "header" or timestamp.unit not in ("s", "ms"):
        return None
    return _with_header(of, timestamp.name, lambda text: b"%d" % (int(text) + of.draw.choice((-1, 1))))


def _other_id(of: Of) -> SignedRequest | None:
    if not of.scheme.signs_id:
        return None
    return _with_header(of, of.scheme.id_headers[0], lambda text: text[:-1] + (b"0" if text[-1:] != b"0" else b"1"))


def _with_header(of: Of, name: str, change: Callable[[bytes], bytes]) -> SignedRequest:
    from loadsim.cases.delivery_edits import HeaderLine

    request, line = of.pick(), HeaderLine(name)
    return SignedRequest(line.replaced(request.headers, change(line.value(request.headers))), request.body)


CHANGES: Mapping[str, Callable[[Of], SignedRequest | None]] = {
    "random bytes as the signature": _random,
    "a bit of the signature": _bit,
    "bytes more or less in the signature": _length,
    "another spelling of the signature": _respelled,
    "a byte of the body": _body_byte,
    "the body of another delivery": _other_body,
    "the signature of another delivery": _other_signature,
    "the time one unit later or earlier": _other_time,
    "another id": _other_id,
}
"""They give None where the scheme has nothing of the kind."""


def ideas_of(name: str, seed: int) -> tuple[Secret, Iterator[SignedRequest], dict[str, Iterator[SignedRequest | None]]]:
    """The secret of a scheme, genuine deliveries, and forged ones by idea."""
    chosen = scheme(name)
    if chosen.pair is None:
        secret, old = (Secret(hashlib.sha256(f"{seed}/{name}/{key}".encode()).hexdigest()) for key in ("new", "old"))
    else:  # key pairs are new each time: some cannot be made from a seed
        secret, old = new_secret(chosen), new_secret(chosen)
    kinds = [
        kind
        for kind, made in CASE_KINDS.items()
        if made.expect == "refuse" and not made.problem(chosen) and kind not in ACCEPTABLE
    ]
    rules = case_rules()
    cases = [Case(kind=kind, share=0.001, expect="refuse", **rules[kind].options) for kind in kinds]
    event = EventMix(type=default_types(family(chosen))[0])
    maker = RequestMaker([event], chosen, secret, seed, cases=cases, old_secret=old, url=URL)
    pool = [maker.make(index, 0, NOW_NS) for index in range(POOL)]
    of = Of(chosen, pool, random.Random(f"{seed}/{name}"))

    def genuine() -> Iterator[SignedRequest]:
        while True:
            yield from pool

    def of_case(number: int) -> Iterator[SignedRequest | None]:
        kept: list[SignedRequest] = []
        most = RSA_CASES if (chosen.pair or "").startswith("rsa") else 10**9
        index = POOL
        while True:
            index += 1
            if len(kept) < most:
                request = maker.make(index, number, NOW_NS)
                if most < 10**9:
                    kept.append(request)
                yield request
            else:
                yield kept[index % most]

    def changed(change: Callable[[Of], SignedRequest | None]) -> Iterator[SignedRequest | None]:
        while True:
            yield change(of)

    ideas = {f"case {kind}": of_case(number) for number, kind in enumerate(kinds, 1)}
    return secret, genuine(), ideas | {text: changed(change) for text, change in CHANGES.items()}


def attack(name: str, forgeries: int, seed: int) -> dict[str, Any]:
    """What the verifier of a scheme said of forged deliveries, by idea."""
    secret, genuine, ideas = ideas_of(name, seed)
    verify = scheme(name).verifier(secret, url=URL).verify
    now_s = NOW_NS / NS_PER_S

    def is_accepted(request: SignedRequest) -> bool:
        headers = {key.lower(): value for key, value in request.header_pairs()}
        return verify(headers, request.body, now_s) is None

    sent: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    control = refused = 0
    skipped = {idea for idea, made in ideas.items() if all(next(made) is None for _ in range(3))}
    left = [idea for idea in ideas if idea not in skipped]
    while sum(sent.values()) < forgeries:
        for idea in left:
            request = next(ideas[idea])
            if request is None:
                continue
            sent[idea] += 1
            accepted[idea] += is_accepted(request)
            if sum(sent.values()) % GENUINE_EVERY == 0:
                control += 1
                refused += not is_accepted(next(genuine))
    return {"sent": sent, "accepted": +accepted, "genuine": control, "genuine_refused": refused}


def report(document: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    found = document["schemes"]
    sent = sum(sum(each["sent"].values()) for each in found.values())
    accepted = sum(sum(each["accepted"].values()) for each in found.values())
    control = sum(each["genuine"] for each in found.values())
    refused = sum(each["genuine_refused"] for each in found.values())
    by_idea: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for each in found.values():
        by_idea.update(each["sent"])
        taken.update(each["accepted"])
    of_scheme = [
        [name, str(len(each["sent"])), f"{sum(each['sent'].values()):,}", f"{sum(each['accepted'].values()):,}"]
        for name, each in found.items()
    ]
    of_idea = [
        [idea, str(sum(idea in each["sent"] for each in found.values())), f"{count:,}", f"{taken[idea]:,}"]
        for idea, count in sorted(by_idea.items())
    ]
    told = (
        f"**{accepted:,} of {sent:,} forged deliveries accepted**, seed {document['seed']}, "
        f"{document['seconds']:.0f} s; {refused:,} of {control:,} genuine ones refused. How they are made is described "
        "in `tests/benchmarks/forgeries.py`."
    )
    return "\n".join(
        (
            "# Forged deliveries against every scheme",
            "",
            common.environment_note(document["environment"]),
            "",
            told,
            "",
            common.table(["scheme", "ideas", "forged", "accepted"], of_scheme),
            common.table(["idea", "schemes", "forged", "accepted"], of_idea),
        )
    )


def main() -> None:
    """Attack, write, and fail where anything forged was accepted or anything genuine refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forgeries", type=int, default=FORGERIES, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--scheme", action="append", help="this one alone; may be repeated")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="(%(default)s)")
    options = parser.parse_args()
    names = options.scheme or scheme_names()
    began = time.monotonic()
    found = {name: attack(name, -(-options.forgeries // len(names)), options.seed) for name in names}
    document = {
        "environment": common.environment(),
        "seed": options.seed,
        "seconds": time.monotonic() - began,
        "schemes": found,
    }
    text = report(document)
    print(text)
    if not options.scheme:
        common.write(options.out, "forgeries", document, md=text)
    if any(each["accepted"] or each["genuine_refused"] for each in found.values()):
        sys.exit(99)


if __name__ == "__main__":
    main()
