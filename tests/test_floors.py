"""What may be installed has none of the faults that are known: the least version of each dependency mends them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
MENDED = {
    "aiohttp": ("3.14.3", "the server's and the client's advisories of 2025 and 2026"),
    "orjson": ("3.11.6", "CVE-2025-67221: unbounded recursion"),
    "distributed": ("2026.1", "CVE-2026-23528: code by way of the dashboard's proxy"),
    "jinja2": ("3.1.6", "CVE-2025-27516: a way out of the sandbox"),
    "cryptography": ("46.0.7", "CVE-2026-26007 and those after it"),
    "flask": ("3.1.3", "CVE-2026-27205: caches of what is a session's"),
    "werkzeug": ("3.1.6", "CVE-2026-27199: device names on Windows"),
    "starlette": ("0.49.1", "CVE-2025-62727: quadratic time for Range"),
    "requests": ("2.32.4", "CVE-2024-47081: credentials of a .netrc sent to another host"),
    "pytest": ("9.0.3", "CVE-2025-71176: a guessable directory in /tmp"),
    "playwright": ("1.55.1", "CVE-2025-59288: browsers downloaded without a check"),
    "setuptools": ("78.1.1", "CVE-2025-47273: writing outside of a directory"),
}
"""Package → the version that mends what is known, and what that is."""


def floors() -> dict[str, list[str]]:
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values(), PROJECT["build-system"]["requires"]]
    found: dict[str, list[str]] = {}
    for requirement in (line.partition(";")[0] for group in groups for line in group):
        name, least = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[a-z0-9,]+\])?>=([0-9.]+)", requirement.strip()).groups()  # type: ignore[union-attr]
        found.setdefault(name.lower(), []).append(least)
    return found


@pytest.mark.parametrize("name", MENDED)
def test_the_least_version_mends_what_is_known(name: str) -> None:
    least = [tuple(map(int, text.split("."))) for text in floors()[name]]
    assert min(least) >= tuple(map(int, MENDED[name][0].split("."))), MENDED[name][1]


def test_a_package_has_one_least_version() -> None:
    assert not {name: found for name, found in floors().items() if len(set(found)) > 1}
