"""Imports a user's own code by its name, `package.module:name`.

The working directory is searched last, so that no file there replaces an installed module.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from loadsim.model import UsageError


def load_object(spec: str, option: str) -> Any:
    """The object with the name `package.module:name`; `name` may have dots. Raises UsageError in one line that begins
    with `option`.

    Importing runs the module: an exception in it becomes that line.
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
        where = "neither here nor installed"
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
