"""`loadsim schemes`: lists the signature schemes, and explains why a delivery does not verify."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.options import header_option, secret_options, with_options
from loadsim.cli.output import json_option, put_json, put_line, report_of
from loadsim.exit_codes import Exit, exit_codes
from loadsim.model import NS_PER_S, Secret, UsageError

if TYPE_CHECKING:
    from loadsim.cli.listings import SchemeList, SchemeRow, VerificationDocument
    from loadsim.signing import Scheme
    from loadsim.signing.explain import Explanation

LISTED = "loadsim.schemes/1"
NOT_CONFIRMED = "not confirmed: no library of the provider and no published signature is known"


@click.group("schemes", invoke_without_command=True)
@json_option(LISTED, instead_of="the list")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the signature schemes, or explain why a delivery does not verify.

    \b
    Examples:
      loadsim schemes
      loadsim schemes show stripe
      loadsim schemes verify github --headers captured.txt --body-file body.json
      loadsim schemes new-key discord --out discord.pem
    """
    from loadsim.signing import scheme_names

    if ctx.invoked_subcommand is not None:
        return
    if as_json:
        put_json(_document(map(_scheme, scheme_names())))
    else:
        _print_list()


@command.command("show")
@click.argument("name", shell_complete=completing.schemes)
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme called custom.")
@json_option(LISTED, instead_of="the lines")
def show(name: str, custom: str | None, *, as_json: bool) -> None:
    """Show one scheme: its headers, formula, key, window and sample events.

    \b
    Examples:
      loadsim schemes show stripe
    """
    from loadsim.events import default_types
    from loadsim.plan.redact import shown_variable
    from loadsim.signing import family

    found = _scheme(name, custom)
    if as_json:
        put_json(_document([found]))
        return
    rows = [
        ("scheme", f"{found.name} ({found.title})"),
        *(("header", f"{header}: {value}") for header, value in found.header_templates()),
        *(("retries", f"{header}: {value}") for header, value in found.retry_headers),
        ("signature", found.formula),
        ("key", found.key_words),
        ("timestamp", _timestamp(found)),
        ("window", _window(found)),
        ("several", _several(found)),
        *((("certificate", ", ".join(found.certificate.allowed)),) if found.certificate is not None else ()),
        ("confirmed", found.confirmed or NOT_CONFIRMED),
        *((("documented", found.documentation),) if found.documentation else ()),
        ("secret", f"environment variable {shown_variable(found.default_secret_env)}"),
        ("events", ", ".join(default_types(family(found)))),
    ]
    for label, text in rows:
        put_line(f"{label:<11} {text}")


@command.command("verify", epilog=exit_codes(ok="verified", failed="refused (the reason is printed)"))
@click.argument("name", shell_complete=completing.schemes)
@click.option(
    "--headers", "headers_file", metavar="FILE", help="File with the headers: lines 'Name: value', or a JSON object."
)
@header_option("One header, or a file of them; repeatable.")
@click.option("--body-file", required=True, metavar="FILE", help="File with the raw body; -: standard input.")
@with_options(*secret_options())
@click.option("--url", metavar="URL", help="The URL that the sender uses, for schemes that sign it.")
@click.option("--now", metavar="T", help="Verify as of T: unix seconds or ISO 8601 (default: now).")
@click.option("--tolerance", metavar="TIME", help="Largest age and lead of the timestamp; 0s: any.")
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme called custom.")
@json_option("loadsim.verification/1", instead_of="the lines")
def verify(name: str, **options: Any) -> None:
    """Verify one captured delivery and explain a failure.

    \b
    Examples:
      loadsim schemes verify trackpilots --headers headers.txt --body-file body.json
      loadsim schemes verify stripe -H 'Stripe-Signature: t=1700000000,v1=…' --body-file body.json --tolerance 0s
      loadsim schemes verify square --url https://example.test/hooks --headers h.txt --body-file -
    """
    from loadsim.input_files import read_bytes_file
    from loadsim.inputs.values import parse_epoch
    from loadsim.secret_sources import read_secret
    from loadsim.signing.explain import explain

    found = _scheme(name, options["custom"])
    headers = _headers(options["headers_file"], options["headers"])
    if options["body_file"] == "-" == options["headers_file"]:
        raise UsageError("only one of --headers and --body-file can be standard input")
    body = sys.stdin.buffer.read() if options["body_file"] == "-" else read_bytes_file(options["body_file"])
    secret = read_secret(
        secret_env=options["secret_env"], secret_file=options["secret_file"], default_env=found.default_secret_env
    )
    if found.signs_url and options["url"] is None:
        raise UsageError(f"scheme {found.name} signs the URL too: give the one that the sender uses with --url")
    now_s = time.time() if options["now"] is None else parse_epoch(options["now"], "--now") / NS_PER_S
    explained = explain(
        found, secret, headers, body, now_s, tolerance_s=_tolerance(options["tolerance"]), url=options["url"]
    )
    if options["as_json"]:
        put_json(_verification(found, explained))
    else:
        with report_of():
            _print_verification(explained)
    sys.exit(Exit.ok if explained.rejection is None else Exit.failed)


@command.command("new-key")
@click.argument("name", shell_complete=completing.schemes)
@click.option("--out", required=True, metavar="FILE", help="File for the private key; must not exist.")
@click.option("--certificate", metavar="FILE", help="File for a self-signed certificate of the key; must not exist.")
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme called custom.")
def new_key(name: str, out: str, certificate: str | None, custom: str | None) -> None:
    """Make a key pair: the private key into a file, the public one on standard output.

    The sender reads the file (--secret-file); the endpoint is given the public key, which is shown in PEM and, as many
    providers show it, in hex and base64; where the scheme sends a token, also as a JSON Web Key.

    \b
    Examples:
      loadsim schemes new-key discord --out discord.pem
      loadsim schemes new-key aws-sns --out sns.pem --certificate sns-certificate.pem
    """
    from loadsim.launch.result_files import write_new
    from loadsim.secret_sources import new_secret
    from loadsim.signing.asymmetric import KeyPair
    from loadsim.signing.certificates import own_certificate

    found = _scheme(name, custom)
    if found.pair is None:
        raise UsageError(f"scheme {found.name} signs without a key pair: any text is a secret")
    secret = new_secret(found)
    pair = KeyPair(found.pair, secret, found.name)
    if certificate is not None and found.certificate is None:
        raise UsageError(f"--certificate: deliveries of scheme {found.name} name no certificate")
    write_new(Path(out), secret.reveal().encode(), mode=0o600)
    if certificate is not None:
        write_new(Path(certificate), own_certificate(found, secret, time.time()).encode())
    for form in ("pem", "hex", "base64"):
        put_line(pair.public_text(form).rstrip("\n") if form == "pem" else f"{form}: {pair.public_text(form)}")
    if found.token is not None:
        put_line(f"jwk: {_jwk(found, secret)}")


def _jwk(found: Scheme, secret: Secret) -> str:
    """The public key of a scheme with tokens, under the key id that it sends."""
    import orjson

    from loadsim.signing.token_codes import TokenKey, token_of

    token = token_of(found)
    kid = {name: value for name, value in token.header if name == "kid"}
    return orjson.dumps({**TokenKey(found, secret).public_jwk(), **kid, "alg": token.algorithm, "use": "sig"}).decode()


def _print_verification(explained: Explanation) -> None:
    if explained.rejection is None:
        put_line(f"verified: {explained.findings[0]}")
        return
    put_line(f"refused ({explained.rejection.name.replace('_', ' ')}): {explained.findings[0]}")
    for finding in explained.findings[1:]:
        put_line(f"  - {finding}")


def _verification(found: Scheme, explained: Explanation) -> VerificationDocument:
    from loadsim.cli.listings import VerificationDocument

    rejection = explained.rejection
    return VerificationDocument(
        scheme=found.name,
        verified=rejection is None,
        rejection=None if rejection is None else rejection.name,
        findings=explained.findings,
    )


def _document(listed: Iterable[Scheme]) -> SchemeList:
    from loadsim.cli.listings import SchemeList

    return SchemeList(schemes=tuple(map(_row, listed)))


def _row(found: Scheme) -> SchemeRow:
    from loadsim.cli.listings import SchemeRow
    from loadsim.events import default_types
    from loadsim.plan.redact import shown_variable
    from loadsim.signing import family

    separator = found.signature.separator
    return SchemeRow(
        name=found.name,
        title=found.title,
        headers=dict(found.header_templates()),
        retry_headers=dict(found.retry_headers),
        formula=found.formula,
        key=found.key_words,
        timestamp=_timestamp(found),
        tolerance_s=found.tolerance_s,
        separator=None if separator is None else separator.decode(),
        secret_env=shown_variable(found.default_secret_env),
        events=default_types(family(found)),
        confirmed=found.confirmed or None,
        documentation=found.documentation or None,
    )


def _scheme(name: str, custom: str | None = None) -> Scheme:
    from loadsim.settings import read_custom
    from loadsim.signing import scheme

    if custom is None:
        return scheme(name)
    return scheme(name, read_custom(custom), where=custom)


def _print_list() -> None:
    from rich.table import Table

    from loadsim.cli.terminal import stdout_console
    from loadsim.signing import scheme, scheme_names

    console = stdout_console()
    rows = []
    for each in map(scheme, scheme_names()):
        read = ", ".join(_original_spelling(each, name) for name in each.header_names())
        if each.signature.place != "header":
            read = ", ".join(filter(None, (read, each.header_templates()[-1][0])))
        confirmed = each.confirmed or NOT_CONFIRMED.partition(":")[0]
        rows.append((each.name, read, each.formula, _window(each), each.key_words, confirmed))
    if not console.is_terminal:
        for row in rows:
            put_line("\t".join(row))
        return
    table = Table(
        "Scheme",
        "Headers",
        "Signature",
        "Window",
        "Key",
        "Confirmed by",
        box=None,
        header_style="bold",
        padding=(0, 2, 0, 0),
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _original_spelling(found: Scheme, name: str) -> str:
    """A header's name as the provider writes it."""
    return next((spelling for spelling, _ in found.header_templates() if spelling.lower() == name), name)


def _timestamp(found: Scheme) -> str:
    timestamp = found.timestamp
    if timestamp is None:
        return "none: a replay cannot be recognised"
    units = {"s": "seconds since 1970", "ms": "milliseconds since 1970", "rfc3339": "RFC 3339"}
    places = {
        "header": f"in the header {timestamp.name}",
        "signature": f"in the signature header, after {timestamp.name}",
        "body": f"in the body's field {timestamp.name}",
        "token": f"in the token's claim {timestamp.name}",
    }
    return f"{units[timestamp.unit]}, {places[timestamp.place]}"


def _several(found: Scheme) -> str:
    separator = found.signature.separator
    if separator is not None:
        return f"several, with {separator.decode()!r} between them"
    return "several, each in a header of its own" if found.signature.further else "one signature only"


def _window(found: Scheme) -> str:
    return "none" if found.tolerance_s is None else f"±{found.tolerance_s} s"


def _headers(path: str | None, texts: tuple[str, ...]) -> dict[str, str]:
    """The headers by lower-case name. Repeated ones are joined by ", ", as a receiver does."""
    from loadsim.input_files import read_text_file

    lines = list(texts)
    if path is not None:
        text = sys.stdin.read() if path == "-" else read_text_file(path)
        lines += _json_lines(path, text) if text.lstrip().startswith("{") else text.splitlines()
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not line.strip() or (number == 1 and line.startswith("POST ")):
            continue
        if not colon or not name.strip() or line[0].isspace():
            raise UsageError(f"header {number} is not written 'Name: value'")
        key, value = name.strip().lower(), value.strip(" \t\r\n")
        found[key] = f"{found[key]}, {value}" if key in found else value
    if not found:
        raise UsageError("no headers: give them with --headers FILE or -H 'Name: value'")
    return found


def _json_lines(path: str, text: str) -> list[str]:
    import orjson

    try:
        table = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path}: not JSON: {error}") from None
    if not all(isinstance(value, str) for value in table.values()):
        raise UsageError(f"{path}: every header must be a string")
    return [f"{name}: {value}" for name, value in table.items()]


def _tolerance(text: str | None) -> float | None:
    from loadsim.plan import UnitError, parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text) / NS_PER_S
    except UnitError as error:
        raise UsageError(f"--tolerance: {error}") from None
