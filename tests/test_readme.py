"""Every command of the README runs as it stands there.

Blocks run in the README's order in one directory, as a reader would type them, with the receiver of the block that is
marked "keeps running" beside them on a free port. Only waiting is made shorter, and limits of time longer: durations
become seconds, and how late or slow this machine is decides nothing. The two set-up commands install packages;
continuous integration runs them, from the same text (see `.ci/run`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- (?P<marker>[^>]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
PRELUDE = f'set -eu\nloadsim() {{ "{sys.executable}" -m loadsim "$@"; }}\n'
INVALID = 3
LATE = re.compile(r"the generator was late: lag p99|due events \([\d.]+%\) were woken before it ended")
"""With this a run says that the machine was too busy, which a page can do nothing about."""
TRIES = 3
PATIENCE_S = 300


@dataclass(frozen=True)
class Block:
    """One fenced block and the comment above it."""

    marker: str
    kind: str
    text: str


BLOCKS = [Block(m["marker"] or "", m["kind"], m["text"]) for m in BLOCK.finditer(README)]
SET_UP = {block.marker.removeprefix("set-up: "): block.text for block in BLOCKS if block.marker.startswith("set-up")}
COMMANDS = [block.text for block in BLOCKS if block.kind == "sh" and not block.marker]


@dataclass(frozen=True)
class Session:
    """A reader's two terminals: a directory, an environment, and where the receiver listens."""

    cwd: Path
    env: dict[str, str]
    address: str
    admin: str
    done: list[subprocess.CompletedProcess[str]] = field(default_factory=list)
    """What became of the page's commands so far."""

    def typed(self, number: int) -> subprocess.CompletedProcess[str]:
        """What became of a command. Those before it come first, each once, whichever test asks: a page is read in
        order, and tests may be shared out among processes."""
        while len(self.done) <= number:
            self.done.append(self._tried(COMMANDS[len(self.done)]))
        return self.done[number]

    def _tried(self, text: str) -> subprocess.CompletedProcess[str]:
        for _ in range(TRIES):
            done = self.run(text)
            if done.returncode != INVALID:
                break  # else the tool says that it was late, and a reader would try again
        return done

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Type a block."""
        script = PRELUDE + hastened(text).replace("127.0.0.1:8080", self.address).replace("127.0.0.1:8081", self.admin)
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


def hastened(text: str) -> str:
    """The same with one second in place of ten, and a quarter of an hour in place of 250 ms."""
    return re.sub(r'(-d |duration = ")(\d+)s', r"\g<1>1s", text).replace("p(95) < 250ms", "p(95) < 15m")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    cwd = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "scenarios", cwd / "scenarios")
    (receiver,) = [block.text for block in BLOCKS if block.marker == "keeps running"]
    env = {**os.environ, **dict(re.findall(r"^export (\w+)=(\S+)$", receiver, re.MULTILINE))}  # noqa: TID251
    script = PRELUDE + receiver.replace("loadsim receive", f'exec "{sys.executable}" -m loadsim receive --port 0')
    process = subprocess.Popen(
        ["bash", "-c", script.rstrip() + " --admin 127.0.0.1:0"], cwd=cwd, env=env, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = [process.stderr.readline() for _ in range(2)]
    address, admin = (re.search(r"127\.0\.0\.1:\d+", line) for line in said)
    assert address, said
    assert admin, said
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    for block in BLOCKS:
        if block.kind == "toml":
            name = block.text.split()[1]
            text = hastened(block.text).replace("127.0.0.1:8080", address[0])
            if "[[phases]]" in text:
                text += '[validity]\nlag = "15m"\n'
            (cwd / name).write_text(text, encoding="utf-8")
    try:
        yield Session(cwd, env, address[0], admin[0])
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        drain.join()
        process.stderr.close()


@pytest.mark.slow
def test_the_page_starts_as_it_stands(session: Session) -> None:
    (text,) = [block.text for block in BLOCKS if block.marker == "keeps running: the page"]
    command = text.replace("loadsim dashboard", f'exec "{sys.executable}" -m loadsim dashboard --port 0 --no-browser')
    process = subprocess.Popen(
        ["bash", "-c", PRELUDE + command], cwd=session.cwd, env=session.env, stderr=subprocess.PIPE, text=True
    )
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
@pytest.mark.parametrize(
    "number",
    [pytest.param(number, id=text.strip().splitlines()[-1][:60]) for number, text in enumerate(COMMANDS)],
)
def test_every_command_runs_as_it_stands(session: Session, number: int) -> None:
    done = session.typed(number)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or (done.returncode == INVALID and LATE.search(" ".join(said.split()))), said
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_judged_again_run_shows_its_exit_code(session: Session) -> None:
    (number,) = [number for number, text in enumerate(COMMANDS) if "loadsim judge" in text]
    assert "exit code 99" in session.typed(number).stdout


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
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {path.name for path in (ROOT / "loadsim").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    shown = set(re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE))
    assert shown == packages


def test_each_term_is_defined_once_and_in_order() -> None:
    glossary = README.split("## Glossary")[1].split("\n## ")[0]
    terms = [term.lower() for term in re.findall(r"^- \*\*(.+?)\*\*:", glossary, re.MULTILINE)]
    assert terms == sorted(set(terms))
