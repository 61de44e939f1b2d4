"""The three forms of a screenshot event's `imageBuffer` in JSON.

`placeholder` is what the provider's simulations send; live events carry a binary buffer, and JSON carries one either as
Node's `{"type": "Buffer", "data": [bytes]}` or as base64. The size is that of the binary image, before encoding.
"""

from __future__ import annotations

import base64
import re
from fractions import Fraction
from typing import Literal, NamedTuple

from loadsim.events.seeding import bit_generator
from loadsim.model import JsonValue, UsageError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 64_000_000
_UNITS = {"B": 1, "KB": 1_000, "MB": 1_000_000}


class ImageForm(NamedTuple):
    """The form of the image; `size` is in bytes of the binary image, 0 for the placeholder."""

    kind: Literal["placeholder", "buffer", "base64"]
    size: int = 0


def parse_image(text: str) -> ImageForm:
    """`placeholder`, `buffer:64KB` or `base64:64KB` (units of 1,000). Raises UsageError."""
    if text == "placeholder":
        return ImageForm("placeholder")
    match = re.fullmatch(r"(buffer|base64):([0-9]{1,9}(?:\.[0-9]{1,6})?)(B|KB|MB)", text)
    if match is None:
        raise UsageError(
            f"cannot read the image {text!r}: write placeholder, buffer:SIZE or base64:SIZE, e.g. buffer:64KB"
        )
    size = Fraction(match[2]) * _UNITS[match[3]]
    if size > LARGEST or size.denominator != 1:
        raise UsageError(f"image {text!r}: the size must be a whole number of bytes, at most {LARGEST // 1_000_000}MB")
    return ImageForm("buffer" if match[1] == "buffer" else "base64", int(size))


def image_bytes(seed: int, size: int) -> bytes:
    """`size` pseudo-random bytes that begin with the PNG signature; equal for equal seeds."""
    words = bit_generator(seed, "image", 0).random_raw((size + 7) // 8)
    return (PNG_SIGNATURE + words.astype("<u8").tobytes())[:size]


def image_value(form: ImageForm, seed: int) -> JsonValue:
    """The JSON value of `imageBuffer`; None for the placeholder, which the template already holds."""
    if form.kind == "placeholder":
        return None
    data = image_bytes(seed, form.size)
    if form.kind == "buffer":
        return {"type": "Buffer", "data": list(data)}
    return base64.b64encode(data).decode("ascii")
