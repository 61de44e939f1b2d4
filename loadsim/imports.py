"""How a user's own code is found by its name, `package.module:name`.

Decides what an import that fails is called. The working directory is looked at last, so that nothing there stands in
for an installed module.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from loadsim.model import UsageError


def load_object(spec: str, option: str) -> Any:
    """What `package.module:name` names; `name` may have dots. Raises UsageError in one line that begins with `option`.

    Importing runs the module: whatever it raises becomes that line.
    """
    module_name, colon, name = spec.partition(":")
    if not colon or not module_name or not name:
        raise UsageError(f"{option} {spec}: write package.module:name")
    here = os.getcwd()  # noqa: PTH109 - as sys.path has it
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        whose = "" if f"{module_name}.".startswith(f"{missing}.") else f", which {module_name} imports,"
        where = "neither here nor among what is installed"
        raise UsageError(f"{option} {spec}: the module {missing}{whose} is {where}") from None
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        raise UsageError(f"{option} {spec}: importing {module_name} raised {_named(error)}") from None
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise UsageError(f"{option} {spec}: {module_name} has no {name}") from None
    return found


def _named(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
