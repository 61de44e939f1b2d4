"""The types of counts and figures in a stored result, with the bounds that a file is checked by."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Figure = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
"""Counts and figures of a result: never negative, and never greater than any run could reach."""
