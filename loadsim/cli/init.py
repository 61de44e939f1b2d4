"""`loadsim init`: writes a `loadsim.toml` and a scenario for the user's endpoint."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

from loadsim.cli import completing
from loadsim.cli.options import secret_options, with_options
from loadsim.cli.output import put_line
from loadsim.model import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_CONFIG = """\
# The endpoints of this project, by name:
#
#   loadsim simulate {name} -e EVENT
#   loadsim run {name} -r 50/s -d 30s
#
# A secret never stands here: secret_env is the name of the environment variable that holds it.

[endpoints.{name}]
{target}
"""
_SCENARIO = """\
# Does the endpoint meet its objectives under normal load?
#
#   loadsim run {name}.toml
#
# Set the rate of "steady" to that of your busiest hour, and the objectives to what your endpoint has to hold.
name = "{name}"
objectives = ["p(99) < 250ms", "success: rate >= 99%"]

[target]
{target}

[[phases]]
name = "warm-up"          # connections open, caches fill; sent and shown, but not judged
duration = "3s"
rate = "20/s"
record = false

[[phases]]
name = "steady"
duration = "30s"
rate = "50/s"
"""


class Answers(NamedTuple):
    """What the files say about the endpoint."""

    name: str
    url: str
    scheme: str
    secret_env: str | None
    secret_file: str | None

    def config(self) -> str:
        """The text of `loadsim.toml`."""
        return _CONFIG.format(name=self.name, target=self._target())

    def scenario(self) -> str:
        """The text of the scenario."""
        return _SCENARIO.format(name=self.name, target=self._target())

    def _target(self) -> str:
        keys = ("url", "scheme", "secret_env", "secret_file")
        given = {key: value for key in keys if (value := getattr(self, key)) is not None}
        # A JSON string is a TOML string.
        return "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in given.items())


@click.command("init")
@click.option("--url", metavar="URL", help="Where the endpoint receives events.")
@click.option(
    "--scheme", metavar="NAME", shell_complete=completing.schemes, help="Signature scheme (default trackpilots)."
)
@with_options(*secret_options("the signing secret (default: the variable of the scheme)"))
@click.option(
    "--name",
    default="webhooks",
    show_default=True,
    metavar="NAME",
    help="Name of the endpoint, and of the scenario's file.",
)
@click.option("--yes", is_flag=True, help="Ask nothing; what is not given has its default.")
def command(*, name: str, yes: bool, **options: str | None) -> None:
    """Write a loadsim.toml and a scenario for your endpoint, here. Asks for what the options do not say.

    No file is overwritten, and no secret is asked for or written: only the name of the variable or file that holds it.

    \b
    Examples:
      loadsim init
      loadsim init --url http://127.0.0.1:3000/webhooks --yes
      loadsim init --url https://example.test/hooks --scheme stripe --secret-env STRIPE_SECRET --name shop --yes
    """
    from loadsim.launch.result_files import write_new
    from loadsim.settings import CONFIG_NAME

    _check_name(name)
    files = (Path(CONFIG_NAME), Path(f"{name}.toml"))
    for path in files:
        if path.exists():
            raise UsageError(
                f"{path} exists already and is not overwritten; nothing was written: use another directory"
                f"{'' if path.name == CONFIG_NAME else ' or --name'}"
            )
    answers = _answers(name, ask=not yes, **options)
    for path, text in zip(files, (answers.config(), answers.scenario()), strict=True):
        write_new(path, text.encode())
    put_line(f"Saved {' and '.join(map(str, files))}. Next:\n")
    for line in _next_commands(answers):
        put_line(f"  {line}")


def _answers(
    name: str, *, ask: bool, url: str | None, scheme: str | None, secret_env: str | None, secret_file: str | None
) -> Answers:
    from loadsim.plan import Target
    from loadsim.signing import scheme as find_scheme

    if url is None and not ask:
        raise UsageError("--yes asks nothing: give --url")
    if secret_env is not None and secret_file is not None:
        raise UsageError("--secret-env and --secret-file are both given: keep one of them")
    url = _value("URL of the endpoint", url, _checked_url, None, ask=ask)
    scheme = _value("Signature scheme", scheme, _checked_scheme, Target(url=url).scheme, ask=ask)
    find_scheme(scheme).check_url(url)
    if secret_file is None:
        question, usual = "Environment variable that holds the secret", find_scheme(scheme).default_secret_env
        secret_env = _value(question, secret_env, _checked_variable, usual, ask=ask)
    return Answers(name, url, scheme, secret_env, secret_file)


def _value(question: str, given: str | None, check: Callable[[str], str], default: str | None, *, ask: bool) -> str:
    """The given value, else the answer, else the default. A wrong answer is asked for again; raises UsageError for a
    wrong option, and where nobody answers."""
    if given is not None:
        return check(given)
    if not ask and default is not None:
        return default

    def checked(answer: str) -> str:
        try:
            return check(answer)
        except UsageError as error:
            raise click.UsageError(str(error)) from None

    try:
        answer: str = click.prompt(question, default=default, value_proc=checked)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise UsageError(f"{question}: there is no answer on standard input; give options and --yes") from None
    return answer


def _checked_url(url: str) -> str:
    from loadsim.plan.scenario_rules import check_url, with_scheme
    from loadsim.plan.typed_document import DocumentError

    url = with_scheme(url)
    try:
        check_url("URL", url)
    except DocumentError as error:
        raise UsageError(str(error)) from None
    return url


def _checked_scheme(name: str) -> str:
    from loadsim.signing import CUSTOM, scheme

    if name == CUSTOM:
        raise UsageError("a scheme of your own is described in [endpoints.NAME.custom]: choose another, then write it")
    return scheme(name).name


def _checked_variable(name: str) -> str:
    from loadsim.plan.redact import shown_variable
    from loadsim.plan.scenario_rules import VARIABLE_NAME

    if VARIABLE_NAME.fullmatch(name) is None or shown_variable(name) != name:
        # Not repeated: it could be the secret itself.
        raise UsageError("the secret's variable: write its name (capitals, digits and _), never the secret itself")
    return name


def _check_name(name: str) -> None:
    from loadsim.plan import EMBEDDED
    from loadsim.settings import CONFIG_NAME

    if _NAME.fullmatch(name) is None or name in (EMBEDDED, Path(CONFIG_NAME).stem):
        raise UsageError(f"--name {name}: letters, digits, - and _; neither {EMBEDDED} nor {Path(CONFIG_NAME).stem}")


def _next_commands(answers: Answers) -> list[str]:
    from loadsim.events import default_types
    from loadsim.signing import family, scheme

    event = default_types(family(scheme(answers.scheme)))[0]
    export = {f"export {answers.secret_env}=…": "the secret that your endpoint verifies with"}
    commands = {
        **(export if answers.secret_env else {}),
        f"loadsim simulate {answers.name} -e {event}": "send one event",
        f"loadsim run {answers.name}.toml --check": "show the plan; nothing is sent",
        f"loadsim run {answers.name}.toml": "run the load",
    }
    width = max(map(len, commands))
    return [f"{line:<{width}}  # {what}" for line, what in commands.items()]
