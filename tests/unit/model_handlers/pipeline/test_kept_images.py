"""Images are freed with their results, not when the garbage collector runs."""

from __future__ import annotations

import gc
import io
import time

import numpy as np
import pytest
from PIL import Image

from model_handlers.items import Item, Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask


def encoded(pixels: Pixels, form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


@pytest.fixture
def items(astronaut: Pixels) -> dict[str, Item]:
    jpeg, png = encoded(astronaut, "JPEG"), encoded(astronaut, "PNG")
    return {
        "a face": jpeg,
        "a JPEG cut early": jpeg[:9000],
        "a JPEG cut late": jpeg[:-200],
        "a PNG cut short": png[:9000],
        "a text": b"I am not an image.",
        "a TIFF header": b"II*\0" + b"\xff" * 200,
        "an HEIF header": b"\0\0\0\x18ftypheic" + b"\xff" * 200,
        "a grey tensor": np.zeros((40, 40), np.uint8),
    }


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late"])
def test_nothing_of_an_image_waits_for_the_garbage_collector(
    items: dict[str, Item], late: bool, trained_detector: DetectorTask
) -> None:
    options = Options(deadline=time.time() - 1 if late else None)
    found = {}
    for name, item in items.items():
        trained_detector.run([item], [options], Stopwatch())  # modules are imported
        gc.collect()
        gc.disable()
        try:
            trained_detector.run([item], [options], Stopwatch())
            found[name] = gc.collect()
        finally:
            gc.enable()
    assert found == dict.fromkeys(items, 0)
