"""The compiled step of the hot path (`compiled/`, built as `_hot`): whether it was built, and whether it may be used.

It is built only where that is asked for (docs/compiled-step.md), and does what the Python code beside it does.
LOADSIM_PURE=1 leaves it aside, so that both can be measured and tested in one tree.
"""

from __future__ import annotations

import os
from types import ModuleType

CONTRACT = 7
"""What this package expects of `_hot.CONTRACT`: a step built from another version of the sources is left aside."""


def _loaded() -> tuple[ModuleType | None, str]:
    if os.environ.get("LOADSIM_PURE") == "1":  # noqa: TID251 - asked once, by whatever process first sends something
        return None, "LOADSIM_PURE=1"
    try:
        from loadsim import _hot
    except ModuleNotFoundError:
        return None, "not built"
    except ImportError as error:
        return None, f"not usable: {error}"
    if CONTRACT != _hot.CONTRACT:
        return None, "built from other sources: build it again"
    return _hot, ""


step, why_not = _loaded()
"""The module, or None; and why there is none, in words."""
