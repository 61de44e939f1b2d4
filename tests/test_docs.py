"""The README and the pages in docs/: every command runs as it stands there, every file is what it says.

The commands of a page run in its order in one directory, as a reader would type them, with the files of all pages and
the companion receiver beside them on a free port. Only waiting is made shorter, and limits of time longer: durations
become seconds, and how late or slow this machine is decides nothing. The two set-up commands install packages;
continuous integration runs them, from the same text (see `.ci/run`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]

from loadsim.cases import case_rules
from loadsim.cli.main import cli
from loadsim.events import catalogue
from loadsim.measure.result import RESULT_FILE
from loadsim.plan.scenario_reading import from_document
from loadsim.settings import load_config
from loadsim.signing import scheme_names
from loadsim.studies.result_directories import REPORTS
from tests.documents import BLOCKS, DOCS, FILES, PAGES, README, ROOT, Block, blocks

OURS = f'"{sys.executable}" -m loadsim'
"""The command of this tree."""
RECEIVER, DASHBOARD, PRINTS = "keeps running", "keeps running: the page", "prints: "
NOT_RUN = ("takes minutes", "needs other machines", "needs a compiler", "set-up: ")
INVALID = 3
LATE = re.compile(r"the generator was late: lag p99|due events \([\d.]+%\) were woken before it ended")
"""With this a run says that the machine was too busy, which a page can do nothing about."""
TRIES = 3
PATIENCE_S = 300
MOST_LINES = 150
SHELL = [block for block in BLOCKS if block.kind == "sh"]
SET_UP = {block.marker.removeprefix("set-up: "): block.text for block in SHELL if block.marker.startswith("set-up")}


def to_type(page: str) -> list[Block]:
    """The commands of a page that end by themselves, and soon."""
    found = [block for block in blocks(page) if block.kind == "sh"]
    return [block for block in found if not block.marker.startswith((RECEIVER, *NOT_RUN))]


def running(marker: str, page: str) -> str:
    """The one command of a page, or of the page about the first event, that keeps running."""
    found = [block.text for name in (page, "first-event") for block in blocks(name) if block.marker == marker]
    return found[0]


def hastened(text: str) -> str:
    """The same with one second in place of tens, and a quarter of an hour in place of 250 ms."""
    return re.sub(r'(-d |duration = ")(\d+)s', r"\g<1>1s", text).replace("p(95) < 250ms", "p(95) < 15m")


# -- a reader at the keyboard ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """A reader's two terminals: a directory, an environment, and where the receiver listens."""

    cwd: Path
    env: dict[str, str]
    address: str
    admin: str
    program: str

    def here(self, text: str) -> str:
        """A text with the addresses of this receiver."""
        text = text.replace("localhost:3000", self.address)
        return text.replace("127.0.0.1:8080", self.address).replace("127.0.0.1:8081", self.admin)

    def type(self, text: str) -> subprocess.CompletedProcess[str]:
        """Type a block; again where the tool says that it was late itself, as a reader would."""
        for _ in range(TRIES):
            done = self._run(prelude(self.program) + self.here(hastened(text)))
            if done.returncode != INVALID:
                break
        return done

    def _run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def lay_out(self) -> None:
        """The files of all pages and, in a clone, the scenarios."""
        if self.program == OURS:
            (self.cwd / "scenarios").symlink_to(ROOT / "scenarios")
        for name, block in FILES.items():
            text = block.text
            if block.kind == "toml":
                text = self.here(hastened(text)) + ('[validity]\nlag = "15m"\n' if "[[phases]]" in text else "")
            path = self.cwd / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def prelude(program: str) -> str:
    """What makes `loadsim` this program."""
    return f'set -eu\nloadsim() {{ {program} "$@"; }}\n'


@contextlib.contextmanager
def reader(
    page: str, cwd: Path, program: str = OURS, surroundings: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """A reader of a page, with its receiver. `surroundings`: the environment, by default that of this process."""
    text = running(RECEIVER, page)
    env = dict(os.environ if surroundings is None else surroundings)  # noqa: TID251
    env |= dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))
    command = re.sub("loadsim receive( --port 3000)?", f"exec {program} receive --port 0", text)
    process = subprocess.Popen(
        ["bash", "-c", prelude(program) + command.rstrip() + " --admin 127.0.0.1:0"],
        cwd=cwd,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = [process.stderr.readline() for _ in range(2)]
    address, admin = (re.search(r"127\.0\.0\.1:\d+", line) for line in said)
    assert address, said
    assert admin, said
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    session = Session(cwd, env, address[0], admin[0], program)
    session.lay_out()
    try:
        yield session
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        drain.join()
        process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page in ("README", "http2") else pytest.mark.long)
        for page in PAGES
        if to_type(page)
    ],
)
def test_every_command_of_a_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    with reader(page, tmp_path) as session:
        type_all(page, session)


def type_all(page: str, session: Session) -> None:
    """Type every command of a page; each ends well and prints what the page says."""
    for block in to_type(page):
        done = session.type(block.text)
        said = block.text + done.stdout + done.stderr
        late = done.returncode == INVALID and LATE.search(" ".join(said.split()))
        assert done.returncode == 0 or late, said
        assert "Traceback" not in done.stderr, said
        if block.marker.startswith(PRINTS) and not late:
            assert block.marker.removeprefix(PRINTS) in done.stdout, said


@pytest.mark.slow
def test_the_dashboard_starts_as_it_stands(tmp_path: Path) -> None:
    text = running(DASHBOARD, "dashboard")
    command = text.replace("loadsim dashboard", f"exec {OURS} dashboard --port 0 --no-browser")
    process = subprocess.Popen(["bash", "-c", prelude(OURS) + command], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", said)
        assert address, said
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(address[0], timeout=PATIENCE_S) as page:
            assert "Send Test Event" in page.read().decode()
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0, process.stderr.read()


@pytest.mark.slow
@pytest.mark.long
def test_the_gate_of_a_test_suite_passes(tmp_path: Path) -> None:
    text = hastened(FILES["test_gate.py"].text).replace('duration="10s"', 'duration="1s", max_lag="15m"')
    (tmp_path / "test_gate.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_gate.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- without running anything ---------------------------------------------------------------------------------------


def commands_in(text: str) -> Iterator[list[str]]:
    """The arguments of each `loadsim` of a block."""
    text = re.sub(r'"\$\([^\n]*?\)"', "RESULT", text.replace("\\\n", " "))
    for line in text.splitlines():
        words = _words(line)
        if words[:1] == ["loadsim"]:
            yield words[1:]


def _words(line: str) -> list[str]:
    """The words of a command line, up to a pipe, a redirection or the next command."""
    words = shlex.split(line, comments=True)
    return words[: next((at for at, word in enumerate(words) if word in {"|", "||", "&&", ">", ">>", ";"}), None)]


def parse(arguments: list[str]) -> None:
    """Read a command line as `loadsim` would, and do nothing. Raises a click error."""
    command: click.Command = cli
    while isinstance(command, click.Group) and arguments:
        context = click.Context(command)
        below = command.get_command(context, arguments[0])
        if below is None:
            break
        command, arguments = below, arguments[1:]
    command.make_context("loadsim", list(arguments))


@pytest.mark.parametrize("page", sorted({block.page for block in SHELL}))
def test_every_command_of_a_page_has_options_that_exist(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / REPORTS / "20260504-091000-quick-0000" / RESULT_FILE
    stored.parent.mkdir(parents=True)
    stored.touch()
    monkeypatch.chdir(tmp_path)  # where there is a result, for commands that name the latest one
    for block in blocks(page):
        for arguments in commands_in(block.text) if block.kind == "sh" else ():
            parse(arguments)


def test_a_command_with_an_option_that_does_not_exist_is_found() -> None:
    (arguments,) = commands_in("loadsim run embedded --no-such-option > file")
    with pytest.raises(click.NoSuchOption):
        parse(arguments)


KNOWN_KINDS = {"sh", "toml", "nginx", "python", "yaml", "json", "js", "php", "go", "ruby", "groovy", "text"}


def check_toml(block: Block, tmp_path: Path) -> None:
    if block.name == "loadsim.toml":
        (tmp_path / "loadsim.toml").write_text(block.text, encoding="utf-8")
        assert load_config(tmp_path, known_schemes=scheme_names()).endpoints
        return
    document: dict[str, Any] = tomllib.loads(block.text)
    types = [event.name for event in catalogue()]
    from_document(document, block.name, known_types=types, known_schemes=scheme_names(), known_cases=case_rules())


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_a_page_is_valid(page: str, tmp_path: Path) -> None:
    for block in blocks(page):
        assert block.kind in KNOWN_KINDS
        assert block.kind in {"sh", "text", "json"} or block.name, f"a file without a name: {block.text[:80]}"
        if block.kind == "toml":
            check_toml(block, tmp_path)
        elif block.kind == "python":
            compile(block.text, block.name, "exec", dont_inherit=True)
        elif block.kind == "yaml":
            assert isinstance(yaml.safe_load(block.text), dict)
        elif block.kind == "json":
            json.loads(block.text)


def test_no_two_pages_have_a_file_of_one_name() -> None:
    names = [block.name for block in BLOCKS if block.name]
    assert sorted(names) == sorted(FILES)


@pytest.mark.needs("node")
@pytest.mark.parametrize("name", [name for name, block in FILES.items() if block.kind == "js"])
def test_javascript_is_valid(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name].text, encoding="utf-8")
    subprocess.run(["node", "--check", name], cwd=tmp_path, check=True)


@pytest.mark.needs("php")
@pytest.mark.parametrize("name", [name for name, block in FILES.items() if block.kind == "php"])
def test_php_is_valid(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name].text, encoding="utf-8")
    subprocess.run(["php", "-l", name], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)


# -- the pages as a whole -------------------------------------------------------------------------------------------


def test_the_readme_is_short_and_has_six_commands() -> None:
    lines = PAGES[README].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert len(to_type(README)) == 6


@pytest.mark.parametrize("page", [README, "first-event"])
def test_the_formula_stands_before_the_first_event(page: str) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    formula = re.search(r"X-Webhook-Signature.*HMAC-SHA256.*X-Webhook-Timestamp.*raw body", text)
    assert formula
    assert formula.start() < text.index("loadsim simulate")


def pages_of(nav: Any) -> Iterator[str]:
    """The files in the menu of the site."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages_of(part)


def test_every_page_is_in_the_menu_and_in_llms_txt() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    files = sorted(path.name for path in DOCS.glob("*.md"))
    assert sorted(pages_of(site["nav"])) == files
    told = re.findall(r"\]\(([^)]+)\)", (DOCS / "llms.txt").read_text(encoding="utf-8"))
    assert sorted(told) == files


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("path", [*PAGES.values(), ROOT / "CONTRIBUTING.md"], ids=lambda path: path.stem)
def test_links_lead_to_what_exists(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_the_set_up_commands_are_one_line_each_and_name_what_exists() -> None:
    assert set(SET_UP) == {"quickstart", "tests"}
    for text in SET_UP.values():
        assert text.count("\n") == 1
        assert text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert (ROOT / SET_UP["quickstart"].split()[-1]).is_file()


def test_the_set_up_commands_are_those_that_continuous_integration_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in SET_UP:
        assert f"set_up {name}" in script


def test_every_package_is_on_the_map() -> None:
    page = PAGES["architecture"].read_text(encoding="utf-8")
    packages = {path.name for path in (ROOT / "loadsim").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    shown = set(re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE))
    assert shown == packages


def test_each_term_is_defined_once_and_in_order() -> None:
    page = PAGES["glossary"].read_text(encoding="utf-8")
    terms = [term.lower() for term in re.findall(r"^- \*\*(.+?)\*\*:", page, re.MULTILINE)]
    assert terms == sorted(set(terms))
    assert len(terms) > 30
