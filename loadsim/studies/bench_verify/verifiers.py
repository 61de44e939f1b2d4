"""The measured verifiers and MAC functions beside ours, and the check whether a verifier decides correctly.

The only place that imports the providers' libraries, each where it is installed.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Literal, NamedTuple

from loadsim.model import Secret, UsageError
from loadsim.signing import Scheme
from loadsim.studies.bench_verify.result import Kind
from loadsim.user_code import load_object

Takes = Literal["message", "delivery", "moment"]
"""`message`: the signed bytes. `delivery`: headers and body. `moment`: headers, body and the time."""
OPTION = "--verifier"


@dataclass(frozen=True, slots=True)
class Contender:
    """One implementation. `takes` gives the arguments of `call`."""

    name: str
    kind: Kind
    takes: Takes
    call: Callable[..., Any]
    version: str = ""


class CheckDelivery(NamedTuple):
    """A delivery for checking a verifier, and whether it is genuine."""

    words: str
    headers: Mapping[str, str]
    body: bytes
    genuine: bool


# -- codes without a check ------------------------------------------------------------------------------------------


def two_state(key: bytes, digest: str) -> Contender:
    """HMAC by two prepared hash states only: the lowest cost of an HMAC in Python."""
    block = hashlib.new(digest).block_size
    key = (hashlib.new(digest, key).digest() if len(key) > block else key).ljust(block, b"\0")
    inner = hashlib.new(digest, bytes(byte ^ 0x36 for byte in key)).copy
    outer = hashlib.new(digest, bytes(byte ^ 0x5C for byte in key)).copy

    def call(message: bytes) -> bytes:
        state = inner()
        state.update(message)
        last = outer()
        last.update(state.digest())
        return last.digest()

    return Contender(f"bare two-state {digest}", "floor", "message", call)


def plain_hash(digest: str) -> Contender:
    """The digest alone, which authenticates nothing."""
    return Contender(digest, "floor", "message", lambda message: hashlib.new(digest, message).digest())


def standard_macs(key: bytes, digest: str) -> tuple[Contender, Contender]:
    """The MAC functions of the standard library."""
    return (
        Contender("hmac.digest", "mac", "message", lambda message: hmac.digest(key, message, digest)),
        Contender("hmac.new", "mac", "message", lambda message: hmac.new(key, message, digest).digest()),
    )


def cryptography_mac(key: bytes, digest: str) -> Contender | None:
    """The MAC of the package `cryptography`; None where it is not installed."""
    hashes, module = _module("cryptography.hazmat.primitives.hashes"), _module("cryptography.hazmat.primitives.hmac")
    if hashes is None or module is None:
        return None
    algorithm = getattr(hashes, digest.upper())()

    def call(message: bytes) -> bytes:
        state = module.HMAC(key, algorithm)
        state.update(message)
        code: bytes = state.finalize()
        return code

    return Contender("cryptography", "mac", "message", call, _version("cryptography"))


# -- verifiers ------------------------------------------------------------------------------------------------------


def ours(scheme: Scheme, secret: Secret, url: str) -> Contender:
    """Our `signing.Verifier`, with all checks."""
    return Contender("loadsim", "verifier", "moment", scheme.verifier(secret, url=url).verify)


def library_name(scheme: Scheme) -> str | None:
    """The Python package of the scheme's provider that verifies; None where none is known."""
    return _LIBRARIES[scheme.name][0] if scheme.name in _LIBRARIES else None


def library(scheme: Scheme, secret: Secret) -> Contender | None:
    """The provider's own verifier; None where it is not installed, or there is none."""
    if scheme.name not in _LIBRARIES:
        return None
    package, module_name, make = _LIBRARIES[scheme.name]
    module = _module(module_name)
    if module is None:
        return None
    return Contender(package, "verifier", "delivery", make(module, secret.reveal()), _version(package))


def _webhook(module: Any, secret: str) -> Callable[[Mapping[str, str], bytes], Any]:
    verify = module.Webhook(secret).verify
    return lambda headers, body: verify(body, headers)


def _stripe(module: Any, secret: str) -> Callable[[Mapping[str, str], bytes], Any]:
    verify = module.WebhookSignature.verify_header
    return lambda headers, body: verify(body.decode("utf-8"), headers["stripe-signature"], secret, 300)


def _slack(module: Any, secret: str) -> Callable[[Mapping[str, str], bytes], Any]:
    verify = module.SignatureVerifier(secret).is_valid_request
    return lambda headers, body: verify(body, headers)


_LIBRARIES: dict[str, tuple[str, str, Callable[[Any, str], Callable[[Mapping[str, str], bytes], Any]]]] = {
    "standard-webhooks": ("standardwebhooks", "standardwebhooks", _webhook),
    "svix": ("svix", "svix.webhooks", _webhook),
    "stripe": ("stripe", "stripe", _stripe),
    "slack": ("slack_sdk", "slack_sdk.signature", _slack),
}


def own(spec: str) -> Contender:
    """The user's function, `package.module:function`. Raises UsageError in one line."""
    call = load_object(spec, OPTION)
    if not callable(call):
        raise UsageError(f"{OPTION} {spec}: is not a function")
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        raise UsageError(f"{OPTION} {spec}: is async: give a plain function of (headers, body)")
    return Contender(spec, "verifier", "delivery", call)


# -- right or wrong -------------------------------------------------------------------------------------------------


def faults(contender: Contender, questions: Sequence[CheckDelivery], now_s: float) -> list[str]:
    """The wrong decisions, in words; the first question is the genuine delivery.

    A verifier accepts by a true value, or by None if it returns None for the genuine delivery. It refuses by an
    exception, or by any other value.
    """
    found = []
    yes_is_none = False
    for number, question in enumerate(questions):
        arguments = (question.headers, question.body, now_s)
        try:
            said = contender.call(*(arguments if contender.takes == "moment" else arguments[:2]))
        except Exception as error:  # noqa: BLE001 - whatever it raises is its no
            if question.genuine:
                found.append(f"refuses {question.words}: raised {type(error).__name__}")
            continue
        if number == 0:
            yes_is_none = said is None
        yes = said is None if yes_is_none else bool(said)
        if yes != question.genuine:
            found.append(f"{'accepts' if yes else 'refuses'} {question.words}")
    return found


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
