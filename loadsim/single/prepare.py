"""Prepares one event from the user's choices, signs it and sends it; used by the command line and the dashboard."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from loadsim.cases import content_type_line
from loadsim.engine.tls_settings import Trust, trust_of
from loadsim.events import JSON_TYPE, EventSource, catalogue
from loadsim.inputs.values import types_of
from loadsim.model import NS_PER_S, Secret, SignedRequest, UsageError
from loadsim.plan import EMBEDDED, Headers, Target
from loadsim.plan.redact import from_environment
from loadsim.plan.scenario_rules import check_target
from loadsim.plan.typed_document import DocumentError
from loadsim.secret_sources import ELSEWHERE, read_key_password, read_secret, resolve_headers
from loadsim.settings import Endpoint
from loadsim.signing import Signer, scheme, scheme_names
from loadsim.single.result import Simulation
from loadsim.single.timed_exchange import exchange


@dataclass(frozen=True, slots=True)
class OneEvent:
    """The event to send. `seed` is None where the body is the user's own."""

    name: str
    topic: str
    """The event's name in the provider's headers."""
    id: str
    body: bytes
    seed: int | None
    content_type: str = JSON_TYPE


@dataclass(frozen=True, slots=True)
class PreparedDelivery:
    """Everything needed to send, checked. It can be sent several times, each time with a new signature."""

    endpoint: Endpoint
    target: Target
    headers: Headers
    event: OneEvent
    signer: Signer
    secret: Secret
    """The signing secret."""
    trust: Trust


def refuse_embedded(endpoint: Endpoint) -> None:
    """Raise UsageError for the embedded receiver, which exists during a run only."""
    if endpoint.url == EMBEDDED:
        raise UsageError("embedded is for load runs: start `loadsim receive` and use its URL")


def changed_target(endpoint: Endpoint, changes: Mapping[str, Any], source: str) -> Target:
    """The endpoint's own settings with `changes` (fields of Target) applied. Raises UsageError naming `source`."""
    target: Target = msgspec.structs.replace(endpoint.target, **changes)
    try:
        check_target(source, target, scheme_names())
    except DocumentError as error:
        raise UsageError(str(error)) from None
    return target


def offered_types(endpoint: Endpoint, target: Target) -> tuple[str, ...]:
    """The event types to choose from: those registered for the endpoint, else those of its scheme's provider."""
    return endpoint.events or types_of(target)


def check_registered(endpoint: Endpoint, name: str) -> None:
    """Raise UsageError unless events of this type are registered, where any are."""
    if endpoint.events and name not in endpoint.events:
        registered = ", ".join(endpoint.events)
        raise UsageError(f"{name} is not registered for the endpoint {endpoint.name}; registered: {registered}")


def made_event(source: EventSource, name: str, seed: int, now_ns: int) -> OneEvent:
    """Event 0 of a run with this seed."""
    return OneEvent(name, source.topic, source.event_id(0), source.body(0, now_ns), seed, source.content_type)


def own_event(
    endpoint: Endpoint, body: bytes, asked: str | None, source: str, remedy: str = "leave out -e or change the file"
) -> OneEvent:
    """The user's own body, sent unchanged: a form where the type asked for is one, else any JSON, whose `event` field,
    if there is one, gives the type.

    `source` is its name in messages, `remedy` the advice where it has another type than the one asked for. Raises
    UsageError.
    """
    if asked is not None and (content_type := _content_type(asked)) != JSON_TYPE:
        check_registered(endpoint, asked)
        return OneEvent(asked, _topic(asked), f"msg_{secrets.token_hex(12)}", body, None, content_type)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{source} is not JSON: {error}") from None
    found = document.get("event") if isinstance(document, dict) else None
    if asked is not None and found is not None and asked != found:
        raise UsageError(f"{source}: its event is {found}, not {asked}: {remedy}")
    name = asked or found
    if isinstance(name, str):
        check_registered(endpoint, name)
    return OneEvent(str(name or source), _topic(name), f"msg_{secrets.token_hex(12)}", body, None)


def _content_type(name: str) -> str:
    return next((each.content_type for each in catalogue() if each.name == name), JSON_TYPE)


def _topic(name: object) -> str:
    """The name of the event of a recorded body in the provider's headers; empty where it is not known."""
    known = {each.name: each.topic for each in catalogue()}
    return known.get(name, name) if isinstance(name, str) else ""


def prepare(endpoint: Endpoint, target: Target, event: OneEvent, remedy: str = ELSEWHERE) -> PreparedDelivery:
    """Read the secret and the variables that headers name. `remedy` ends an error message. Raises UsageError."""
    chosen = scheme(target.scheme, target.custom)
    secret = read_secret(
        secret_env=target.secret_env,
        secret_file=target.secret_file,
        default_env=chosen.default_secret_env,
        remedy=remedy,
    )
    signer = chosen.signer(
        secret, url=target.public_url or target.url, event=event.topic, content_type=event.content_type
    )
    _ = _signed(signer, event, 0)  # an event that cannot be signed is reported here
    trust = trust_of(target, read_key_password(target.key_password_env))
    return PreparedDelivery(endpoint, target, resolve_headers(target.headers), event, signer, secret, trust)


def _signed(signer: Signer, event: OneEvent, now_ns: int) -> SignedRequest:
    body = signer.sealed(event.body, now_ns, event.id)
    return SignedRequest(content_type_line(event.content_type) + signer.headers(body, now_ns, event.id), body)


async def deliver(delivery: PreparedDelivery, now_ns: int) -> Simulation:
    """Sign with the time `now_ns`, and send once. Raises UsageError when a file that the target names cannot be
    used."""
    target, event = delivery.target, delivery.event
    described = scheme(target.scheme, target.custom)
    request = _signed(delivery.signer, event, now_ns)
    done = await exchange(
        target.url,
        request,
        headers=delivery.headers,
        timeout_s=target.timeout / NS_PER_S,
        trust=delivery.trust,
        http=target.http,
    )
    return Simulation(
        event=event.name,
        url=target.url,
        headers=done.headers,
        # A body that holds the secret itself is shown without it.
        payload=event.body if described.algorithm == "none" else request.body,
        timings=done.timings,
        outcome=done.outcome,
        http=done.http,
        endpoint=delivery.endpoint.name,
        seed=event.seed,
        scheme=target.scheme,
        hidden=from_environment(target.headers) | described.secret_headers(),
        secret=delivery.secret,
    )
