"""An image that takes too long is given up, and costs no worker."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from deepfake_serving.contracts.problems import DeadlineExceeded, Overloaded, UndecodableMedia
from model_handlers.images.time_limit import within
from model_handlers.items import Options
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends busy threads, and waits for them."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "decode":
            thread.join()


def busy(until: threading.Event) -> None:
    while not until.is_set():
        sum(range(1000))


def test_work_that_takes_too_long_is_given_up(released: threading.Event) -> None:
    for _ in range(2):
        with pytest.raises(UndecodableMedia, match=r"more than 0\.02 s"):
            within(0.02, lambda: busy(released))
    with pytest.raises(Overloaded):
        within(0.02, lambda: None)
    released.set()
    for thread in threading.enumerate():
        if thread.name == "decode":
            thread.join()
    assert within(0.02, lambda: "image") == "image"


def test_waiting_takes_no_processor_time() -> None:
    """A worker that shares its processors is slow, but its images are not."""
    assert within(0.02, lambda: time.sleep(0.3)) is None


def test_errors_are_those_of_the_work() -> None:
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 // 0)


def test_a_gif_of_very_many_comments_is_refused() -> None:
    """Each takes a step of the decoder: 32 MB took minutes."""
    buffer = io.BytesIO()
    Image.new("P", (64, 64)).save(buffer, "GIF")
    data = buffer.getvalue()
    at = data.index(b"\x2c\0\0\0\0")
    bomb = data[:at] + b"\x21\xfe\x01a\x00" * 500_000 + data[at:]
    with pytest.raises(UndecodableMedia, match=r"more than 0\.05 s to decode"):
        decode(bomb, DecodeSpec(max_seconds=0.05))
    for thread in threading.enumerate():
        if thread.name == "decode":
            thread.join()
    assert decode(data, DecodeSpec()).shape == (64, 64, 3)


def test_no_stage_begins_after_the_deadline(
    detector: DetectorTask, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: list[Pixels]) -> list[object]:
        raise AssertionError("the client no longer waits")

    late = Options(deadline=time.time() - 1)
    monkeypatch.setattr(detector.face_detector, "find", find)
    assert isinstance(detector.run([b""], [late], Stopwatch())[0], DeadlineExceeded)
    now = time.time()
    times = iter([now, now + 2])
    monkeypatch.setattr("model_handlers.items.time.time", lambda: next(times))
    soon = Options(deadline=now + 1)
    assert isinstance(
        detector.run([np.ascontiguousarray(astronaut)], [soon], Stopwatch())[0], DeadlineExceeded
    )
