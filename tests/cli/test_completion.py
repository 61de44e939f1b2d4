"""What a shell completes, asked as its script asks: by an environment variable, and in a real bash."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loadsim.cli.completion import SHELLS, VARIABLE
from loadsim.cli.main import COMMANDS
from loadsim.events import catalogue
from loadsim.shipped import shipped_names
from loadsim.signing import scheme_names
from tests.cli.running import Run
from tests.cli.test_runs import NEW, OLD, STUDY, store

CONFIG = '[endpoints.staging]\nurl = "http://127.0.0.1:9/hooks"\n\n[endpoints.blue]\nurl = "http://127.0.0.1:9/b"\n'
EVENTS = [event.name for event in catalogue()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("loadsim.toml").write_text(CONFIG, encoding="utf-8")
    return Run(monkeypatch, capsys)


def completed(run: Run, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """What bash is told for a command line; its last word is the one that is being written."""
    words = line.split(" ")
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "bash_complete")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", str(len(words) - 1))
        done = run()
    assert (done.code, done.err) == (0, "")
    return [answer.removeprefix("plain,") for answer in done.out.splitlines()]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("loadsim ", list(COMMANDS)),
        ("loadsim com", ["compare", "completion"]),
        ("loadsim bench ", ["verify", "receiver", "engine"]),
        ("loadsim scenarios sh", ["show"]),
        ("loadsim scenarios copy st", ["starvation", "steady", "stress"]),
        ("loadsim run ", [*shipped_names(), "embedded", "staging", "blue"]),
        ("loadsim run sta", ["starvation", "staging"]),
        ("loadsim run quickstart -t ", ["staging", "blue", "embedded"]),
        ("loadsim run embedded --scheme ", list(scheme_names())),
        ("loadsim run embedded -e desktop.", [name for name in EVENTS if name.startswith("desktop.")]),
        ("loadsim simulate ", ["staging", "blue"]),
        ("loadsim simulate staging -e ", EVENTS),
        ("loadsim probe st", ["staging"]),
        ("loadsim capacity spi", ["spike"]),
        ("loadsim ab b", ["blue"]),
        ("loadsim ab blue staging --scenario stea", ["steady"]),
        ("loadsim events strip", [name for name in EVENTS if name.startswith("strip")]),
        ("loadsim events --scheme git", ["github", "gitlab-token", "gitlab"]),
        ("loadsim schemes show str", ["stripe"]),
        ("loadsim schemes verify str", ["stripe"]),
        ("loadsim receive --scheme str", ["stripe"]),
        ("loadsim bench verify --scheme str", ["stripe"]),
        ("loadsim bench receiver --scheme str", ["stripe"]),
        ("loadsim init --scheme str", ["stripe"]),
        ("loadsim completion ", list(SHELLS)),
    ],
)
def test_values(run: Run, monkeypatch: pytest.MonkeyPatch, line: str, values: list[str]) -> None:
    assert completed(run, monkeypatch, line) == values


@pytest.mark.parametrize("command", ["report", "judge", "compare", "reconcile"])
def test_stored_results(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    assert completed(run, monkeypatch, f"loadsim {command} lat") == ["file,lat"]
    store(OLD, content=b"{}")
    store(NEW, content=b"{}")
    store(STUDY, "capacity.json", b"{}")
    newest_first = [f"reports/{name}" for name in (STUDY, NEW, OLD)]
    assert completed(run, monkeypatch, f"loadsim {command} ") == ["latest", *newest_first]
    assert completed(run, monkeypatch, f"loadsim {command} reports/20260504") == [f"reports/{OLD}"]


def test_where_no_name_begins_so_files_are_completed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(run, monkeypatch, "loadsim run ./my") == ["file,./my"]
    assert completed(run, monkeypatch, "loadsim report ./re") == ["file,./re"]


def test_a_wrong_config_completes_nothing_and_fails_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("loadsim.toml").write_text("[endpoints", encoding="utf-8")
    assert completed(run, monkeypatch, "loadsim simulate ") == [""]  # an empty line
    Path("reports").touch()
    assert completed(run, monkeypatch, "loadsim report lat") == ["file,lat"]


def test_names_of_commands_import_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; from loadsim.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    for name, value in {VARIABLE: "bash_complete", "COMP_WORDS": "loadsim ", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "plain,run" in done.stdout
    assert not {"loadsim.cli.run", "numpy", "aiohttp", "rich", "msgspec"} & set(done.stderr.split())


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_by_our_variable(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"{VARIABLE}={shell}_complete" in done.out


@pytest.mark.needs("bash")
def test_a_real_bash_completes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "loadsim"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m loadsim "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = """
        eval "$(loadsim completion bash)"
        complete -p loadsim
        COMP_WORDS=(loadsim run stead) COMP_CWORD=2
        "$(complete -p loadsim | sed -E 's/.*-F ([^ ]+) .*/\\1/')" loadsim stead run
        echo "${COMPREPLY[@]}"
    """
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    done = subprocess.run(
        ["bash", "--norc", "-eu", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "steady"
