"""Masks values that must never be shown: signing secrets, header values that are credentials, user info and query
values of URLs.

A header's value is a credential by the header's name, in any case, or if it came from the environment. Credentials are
also masked where an endpoint repeats them in its answer.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, unquote_plus

from loadsim.model import Secret
from loadsim.plan.headers import header_pairs

if TYPE_CHECKING:
    from loadsim.plan.scenario import Target

MASK = "***"
Value = TypeVar("Value", bound=object)
ENV_PREFIX = "env:"
"""Prefix of the name of a variable, in place of a header's value."""
SHORTEST_SECRET = 4
"""Shorter values are not masked in answers of an endpoint, since they occur in any text."""
SHORTEST_VALUE = 8
"""The same for query values of a URL and for parts of a secret, which are often ordinary words if short."""

_TELLING = re.compile(r"^(?:proxy-)?authorization$|^(?:set-)?cookie$|token|key|secret", re.IGNORECASE)
_USUAL_NAME = re.compile(r"[A-Z]{1,16}[0-9]{0,3}(?:_[A-Z]{0,16}[0-9]{0,3})*", re.ASCII)
"""Usual names of variables, which no secret has: short words of capitals with a few digits at the end at most."""
_URL = re.compile(r"(?s)([^?#]*)(\?[^#]*)?(#.*)?")


def is_telling(name: str) -> bool:
    """True for a header whose value is a credential: Authorization, Cookie, `*token*`, `*key*`, `*secret*`."""
    return _TELLING.search(name.strip()) is not None


def shown_variable(name: str) -> str:
    """The name of a variable as it is shown: `***` where it could be a secret, such as whsec_…"""
    return name if _USUAL_NAME.fullmatch(name) else MASK


def from_environment(headers: Mapping[str, str | tuple[str, ...]]) -> frozenset[str]:
    """The names, in lower case, of the headers whose values are to be read from variables (`env:NAME`)."""
    return frozenset(name.lower() for name, value in header_pairs(headers) if value.startswith(ENV_PREFIX))


def variables_of(target: Target, default_secret_env: str) -> frozenset[str]:
    """The variables of a target's secrets. `default_secret_env`: the default of its scheme."""
    values = [value for _, value in header_pairs(target.headers)]
    named = {value.removeprefix(ENV_PREFIX).strip() for value in values if value.startswith(ENV_PREFIX)}
    if target.secret_file is None:
        named.add(target.secret_env or default_secret_env)
    return frozenset(named.union(name for name in (target.old_secret_env, target.key_password_env) if name))


def redact_headers(headers: Mapping[str, Value], hidden: Collection[str] = ()) -> dict[str, Value | str]:
    """The headers with `***` for the values of sensitive ones, and of those whose lower-case names are in `hidden`."""
    return {name: MASK if is_telling(name) or name.lower() in hidden else value for name, value in headers.items()}


def secrets_in(
    headers: Mapping[str, str | tuple[str, ...]],
    hidden: Collection[str] = (),
    *,
    url: str = "",
    keys: Iterable[Secret | None] = (),
) -> tuple[str, ...]:
    """Secrets that an endpoint could repeat, longest first: the values that `redact_headers` masks, their parts after a
    word such as Bearer, the values that `redact_url` masks, and `keys`."""
    masked = [value for name, value in header_pairs(headers) if is_telling(name) or name.lower() in hidden]
    found = {text.strip() for value in masked for text in (value, value.partition(" ")[2])}
    found.update(_secrets_of_url(url), *(_forms_of_key(key.reveal()) for key in keys if key is not None))
    found |= {text.encode().decode("latin-1") for text in found}  # as an answer that repeats it is read
    return tuple(sorted((text for text in found if len(text) >= SHORTEST_SECRET), key=lambda text: (-len(text), text)))


def _forms_of_key(key: str) -> Iterator[str]:
    """A signing secret, the same without the prefix of some providers, and as it is sent where it is USER:PASSWORD."""
    yield key
    if ":" in key:
        yield base64.b64encode(key.encode("utf-8", "surrogatepass")).decode()
    if len(rest := key.partition("_")[2]) >= SHORTEST_VALUE:
        yield rest


def _secrets_of_url(url: str) -> Iterator[str]:
    """User info as written in the URL, decoded, and as Basic credentials; query values, except short ones."""
    base, query, _ = re.fullmatch(_URL, url).groups()  # type: ignore[union-attr]  # matches any text
    info = base.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if info:
        user, _, password = info.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}"
        yield from (info, password or user, unquote(password or user), pair, base64.b64encode(pair.encode()).decode())
    for name, _, value in (pair.partition("=") for pair in (query or "")[1:].split("&")):
        if value and (len(value) >= SHORTEST_VALUE or is_telling(name)):
            yield from (value, unquote_plus(value))


def conceal(text: str, values: Iterable[str]) -> str:
    """The text with every one of these values as `***`, also the beginning of one at its end, where it may be cut."""
    values = tuple(values)
    for value in values:
        text = text.replace(value, MASK)
    begun = max((_begun(text, value) for value in values), default=0)
    return f"{text[:-begun]}{MASK}" if begun else text


def _begun(text: str, value: str) -> int:
    """Number of first characters of a value, SHORTEST_SECRET or more, at the end of the text."""
    sizes = range(min(len(text), len(value) - 1), SHORTEST_SECRET - 1, -1)
    return next((size for size in sizes if text.endswith(value[:size])), 0)


def redact_url(url: str) -> str:
    """The URL with user info, query values and fragment as `***`. Takes any text and never raises."""
    base, query, fragment = re.fullmatch(_URL, url).groups()  # type: ignore[union-attr]  # matches any text
    scheme, separator, rest = base.partition("://") if "://" in base else ("", "", base)
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = f"{MASK}@{authority.rpartition('@')[2]}"
    masked = "&".join(_masked_pair(pair) for pair in query[1:].split("&")) if query else ""
    return "".join(
        (scheme, separator, authority, slash, path, f"?{masked}" if query else "", f"#{MASK}" if fragment else "")
    )


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else (MASK if pair else "")


def redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario's document with secrets masked, to be stored and shown."""
    shown = copy.deepcopy(dict(document))
    target = shown.get("target")
    if isinstance(target, dict):
        for key in ("url", "public_url", "ledger", "proxy"):
            if isinstance(target.get(key), str):
                target[key] = redact_url(target[key])
        for key in ("secret_env", "old_secret_env", "key_password_env"):
            if isinstance(target.get(key), str):
                target[key] = shown_variable(target[key])
        if isinstance(target.get("headers"), dict):
            target["headers"] = _redacted_headers(target["headers"])
    watches = shown.get("watch")
    for source in (shown.get("effects"), *(watches if isinstance(watches, list | tuple) else ())):
        if isinstance(source, dict):
            _redact_source(source)
    return shown


def _redact_source(source: dict[str, Any]) -> None:
    """Mask the secrets of a source of effects, or of a watch."""
    if isinstance(source.get("url"), str):
        source["url"] = redact_url(source["url"])
    if isinstance(source.get("dsn_env"), str):
        source["dsn_env"] = shown_variable(source["dsn_env"])
    if isinstance(source.get("headers"), dict):
        source["headers"] = _redacted_headers(source["headers"])


def _redacted_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers of a scenario: of a value from a variable, the variable's name stays."""
    return {
        name: value if _is_named(value) else masked
        for (name, value), masked in zip(headers.items(), redact_headers(headers).values(), strict=True)
    }


def _is_named(value: object) -> bool:
    """Whether this is `env:NAME`, with a name that no secret has."""
    name = value.removeprefix(ENV_PREFIX).strip() if isinstance(value, str) and value.startswith(ENV_PREFIX) else ""
    return bool(name) and shown_variable(name) == name
