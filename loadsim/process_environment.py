"""What the environment of this process says of its surroundings: the CI step, the key log, the cache directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loadsim.model import UsageError


@dataclass(frozen=True, slots=True)
class GitHubStep:
    """The GitHub Actions step that runs us. `summary`: the file that becomes its summary; None where it has none."""

    summary: Path | None
    annotates: bool
    """Whether the runner reads workflow commands from our output."""


def github_step() -> GitHubStep:
    """The step, from `GITHUB_STEP_SUMMARY` and `GITHUB_ACTIONS`."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")  # noqa: TID251 - this is the place where the environment is read
    acts = os.environ.get("GITHUB_ACTIONS") == "true"  # noqa: TID251
    return GitHubStep(Path(summary) if summary else None, annotates=acts)


def key_log_file() -> str | None:
    """The file to which OpenSSL writes session keys, if one is set."""
    return os.environ.get("SSLKEYLOGFILE")  # noqa: TID251 - as above


def cache_directory() -> Path:
    """The directory for cached measurements: `$XDG_CACHE_HOME/loadsim`, by default `~/.cache/loadsim`.

    Source: XDG Base Directory Specification, which ignores a relative path. Raises UsageError where there is no home.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")  # noqa: TID251 - this is the place where the environment is read
    if base.startswith("/"):
        return Path(base) / "loadsim"
    try:
        return Path.home() / ".cache" / "loadsim"
    except RuntimeError:
        raise UsageError("there is no home directory for a cache: set XDG_CACHE_HOME") from None
