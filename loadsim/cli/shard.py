"""One generator process, started by loadsim itself: reads the run from stdin and writes frames to stdout.

`python -m loadsim.cli.shard`: no command, so that click is not imported by each of them. Signals that end a command are
ignored, since the parent ends it.
"""

from __future__ import annotations

import sys

from loadsim.cli.failures import failed_with
from loadsim.cli.guarded_streams import guarded_output
from loadsim.cli.streams import prepare as prepare_streams
from loadsim.signals import left_to_the_parent
from loadsim.uncollected import uncollected


def main() -> None:
    """Run one shard; the exit code is 0 unless it failed."""
    left_to_the_parent()
    prepare_streams()
    with guarded_output():
        code = _run()
    sys.exit(code)


def _run() -> int:
    try:
        with uncollected():
            from loadsim.engine.shard import prepare, run_shard
            from loadsim.run.run_secrets import with_keys

            prepare()
        return run_shard(with_keys)
    except Exception as error:  # noqa: BLE001 - it becomes words, and an exit code
        return failed_with(error)


if __name__ == "__main__":
    main()
