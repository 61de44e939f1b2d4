"""The command that serves the page: what it needs, where it listens, how it ends."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_without_the_extra_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "plotly" else found(name))
    done = run("dashboard")
    assert (done.code, done.out) == (2, "")
    assert done.err == "loadsim: the dashboard needs plotly: pip install 'loadsim[dashboard]'\n"


def test_a_port_that_is_taken_is_one_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("dashboard", "--no-browser", "--port", str(port))
    assert done.code == 2
    assert done.err == (
        f"loadsim: cannot listen on 127.0.0.1:{port}: address already in use; choose another port with --port\n"
    )


def test_a_run_with_a_page_says_so_too_before_anything_is_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    live = ("run", "http://127.0.0.1:1/", "-n", "1", "--secret-env", "NAME", "--live")
    monkeypatch.setenv("NAME", "whsec_hidden")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(*live, str(port))
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"loadsim: cannot listen on 127.0.0.1:{port}: address already in use; choose another port with --live\n"
    )
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else found(name))
    done = run(*live, "0")
    assert (done.code, done.out) == (2, "")
    assert done.err == "loadsim: --live needs jinja2: pip install 'loadsim[dashboard]'\n"


BROWSER = """
import shutil, sys, webbrowser
from loadsim.cli.main import main

class Fake(webbrowser.BaseBrowser):
    def open(self, url, new=0, autoraise=True):
        shutil.copy2(url.removeprefix("file://"), "opened.html")
        open("argument", "w").write(url)
        return True

webbrowser.get = lambda using=None: Fake("fake")
sys.argv = ["loadsim", "dashboard", "--port", "0"]
main()
"""


def test_the_browser_is_led_by_a_file_that_only_we_can_read(tmp_path: Path) -> None:
    """The token is no argument of the browser's, which everybody on the machine could see; the file goes at the end."""
    env: dict[str, Any] = {**os.environ, "TMPDIR": str(tmp_path)}  # noqa: TID251 - handed on
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(BROWSER)], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr:
        url = re.search(r"http://127\.0\.0\.1:\d+/\?token=(\S+)", process.stderr.readline())
        assert url
        assert "press Ctrl-C to stop" in process.stderr.readline()
        opened = tmp_path / "argument"
        while not opened.exists() or not opened.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert (process.wait(30), process.stderr.read()) == (0, "loadsim: stopping\n")
    assert url[1] not in opened.read_text()
    led = tmp_path / "opened.html"
    assert url[0] in led.read_text()
    assert stat.S_IMODE(led.stat().st_mode) == 0o600
    assert not Path(opened.read_text().removeprefix("file://")).exists()
