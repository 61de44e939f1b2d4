"""The forms in which an image travels."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from loadsim.events import EventSource
from loadsim.events.screenshot_image import PNG_SIGNATURE, image_bytes
from loadsim.model import UsageError

APP = "desktop.app_tracking.captured"


SCREENSHOT = "desktop.screenshot_tracking.captured"


NOW_NS = 1_746_123_456_789_000_000


@pytest.mark.parametrize("overrides", [[], [("version", "v2")]])
@pytest.mark.parametrize("size", [0, 3, 8, 1000])
def test_an_image_travels_in_both_forms_as_the_same_bytes(size: int, overrides: list[tuple[str, Any]]) -> None:
    def picture(form: str) -> Any:
        source = EventSource(SCREENSHOT, 7, image=f"{form}:{size}B", overrides=overrides)
        return orjson.loads(source.body(3, NOW_NS))["data"][0]["screenshot"]["imageBuffer"]

    buffer = picture("buffer")
    assert list(buffer) == ["type", "data"]
    assert buffer["type"] == "Buffer"
    data = bytes(buffer["data"])
    assert base64.b64decode(picture("base64"), validate=True) == data == image_bytes(7, size)
    assert len(data) == size
    assert data.startswith(PNG_SIGNATURE[:size])


def test_images_differ_by_seed_and_can_be_led_into() -> None:
    assert image_bytes(1, 100) != image_bytes(2, 100)
    path = "data.0.screenshot.imageBuffer.data.0"
    body = EventSource(SCREENSHOT, 1, image="buffer:1.5KB", overrides=[(path, 7)]).body(0, NOW_NS)
    data = orjson.loads(body)["data"][0]["screenshot"]["imageBuffer"]["data"]
    assert data[0] == 7
    assert len(data) == 1500


@pytest.mark.parametrize(
    "image", ["png", "buffer", "buffer:", "buffer:64", "base64:-1B", "buffer:1.5B", "base64:65MB", ""]
)
def test_an_unreadable_image_is_refused(image: str) -> None:
    with pytest.raises(UsageError, match="image"):
        EventSource(SCREENSHOT, 1, image=image)


def test_only_screenshots_carry_an_image() -> None:
    with pytest.raises(UsageError, match="carry no image"):
        EventSource(APP, 1, image="buffer:1KB")
