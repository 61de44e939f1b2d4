"""A disk that fills up while reports are written: the result is kept, exit 1, one line, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch.support import stored

LARGEST_KB = 1024
"""Enough for result.json and too little for a page with its charts."""


@pytest.mark.slow
def test_the_result_is_kept_when_a_report_does_not_fit(tmp_path: Path) -> None:
    command = f'ulimit -f {LARGEST_KB}; exec "{sys.executable}" -m loadsim run embedded -r 50/s -n 20 -q'
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 1, done.stderr
    *notes, last = done.stderr.splitlines()
    assert "report.html: cannot be written: File too large" in last
    assert all("the receiver keeps no ledger: no memory for it" in note for note in notes)
    assert stored(tmp_path).totals.sent == 20
    (directory,) = (tmp_path / "reports").iterdir()
    assert not [path.name for path in directory.iterdir() if "report.html" in path.name]
