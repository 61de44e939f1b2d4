"""Makes the ids of runs and studies, which also name their directories."""

from __future__ import annotations

import datetime
import re
import secrets

from loadsim.launch.result_files import slug

GIVEN_ID = re.compile(r"(\d{8}-\d{6})-[A-Za-z0-9.-]+-[0-9a-f]{4}(-\d+)?", re.ASCII)
"""The name of a directory that `new_id` named: the moment, and at its end the number of one that was there already."""


def new_id(name: str) -> str:
    """A unique name for a run or a study: time, name, and random digits."""
    moment = datetime.datetime.now(datetime.UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{slug(name)[:40]}-{secrets.token_hex(2)}"
