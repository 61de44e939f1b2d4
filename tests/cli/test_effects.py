"""Runs whose effects are watched, for real: against the embedded receiver, which knows the truth, and against sources
that fail, lie or say nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loadsim.run import reconcile
from loadsim.run.effects import http_source, watch
from tests.cli.loopback import Handler, serving, serving_raw
from tests.cli.running import Ran, Run

SCENARIO = """
name = "works"
objectives = [{objectives}]
[target]
url = "embedded"
[receiver]
process = "exp:2ms"
processors = 4
lose = "10%"
repeat = "10%"
[effects]
wait = "{wait}"
[[phases]]
name = "load"
duration = "1s"
rate = "200/s"
"""
SUCCESS = "success: rate >= 1%"
RAN = {0, 3, 99}
"""3: this machine was too busy to be on time, which changes no count."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_hidden")
    return Run(monkeypatch, capsys)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources that do not answer are given up soon."""
    monkeypatch.setattr(watch, "LAST_S", 0.2)
    monkeypatch.setattr(http_source, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(reconcile, "READ_TIMEOUT_S", 0.2)


def stored() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path("out.json").read_text(encoding="utf-8"))
    return document


def write(*objectives: str, wait: str = "5s") -> None:
    quoted = ", ".join(f'"{text}"' for text in (SUCCESS, *objectives))
    Path("works.toml").write_text(SCENARIO.format(objectives=quoted, wait=wait), encoding="utf-8")


def balanced(result: dict[str, Any]) -> dict[str, Any]:
    """The effects of a result that were found, after they were compared with what the receiver says it did."""
    found, work = result["effects"], result["receiver"]["work"]
    assert found["problem"] == ""
    assert work["backlog"] == 0
    assert (found["done"], found["undone"], found["repeated"]) == (work["done"], work["lost"], work["repeated"])
    assert found["acknowledged"] == work["done"] + work["lost"]
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_the_receiver_lost_and_repeated_is_what_is_found(run: Run, workers: str) -> None:
    write("undone: count == 0", wait="1s")
    ended = run("run", "works.toml", "-q", "--json", "out.json", "-w", workers)
    assert ended.code in RAN, ended.err
    found = balanced(stored())
    assert found["acknowledged"] == 200
    assert found["undone"] > 0
    assert found["repeated"] > 0
    assert found["others"] == found["gaps"] == 0
    assert "as the receiver itself counted: 200 pieces of work" in " ".join(ended.out.split())
