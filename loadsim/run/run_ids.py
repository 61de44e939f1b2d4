"""Makes the ids of runs and studies, which also name their directories."""

from __future__ import annotations

import datetime
import secrets

from loadsim.launch.result_files import slug


def new_id(name: str) -> str:
    """A unique name for a run or a study: time, name, and random digits."""
    moment = datetime.datetime.now(datetime.UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{slug(name)[:40]}-{secrets.token_hex(2)}"
