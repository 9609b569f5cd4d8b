"""Messages of the decoding process: a JSON header, then the pixels as raw bytes.

The process may have been taken over by the video that it decodes, so nothing it sends is executed,
as unpickling would.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import orjson

from deepfake_serving.video.decoding.pixels import MAX_BATCH_BYTES, Pixels
from deepfake_serving.video.reader import Batch, Sample, VideoFacts, VideoReader
from deepfake_serving.video.scene_cuts import SceneCut

_MAX_HEADER_BYTES = 16 * 2**20
YES, NO = b"1", b"0"
"""Replies to the question whether to go on with a part."""


@dataclass(slots=True)
class VideoSummary:
    """Properties of a video as far as it was read, as `VideoDecoder` has them."""

    frame_rate: float | None = None
    duration_s: float | None = None
    start_s: float = 0.0
    end_s: float = 0.0
    complete: bool = True
    steady: bool = False
    part_starts: list[float] = field(default_factory=lambda: [0.0])
    thinned: int = 0
    warnings: list[str] = field(default_factory=list)


def summarised(video: VideoFacts) -> VideoSummary:
    """Returns a copy of what is known of a video so far."""
    return VideoSummary(**{each.name: getattr(video, each.name) for each in fields(VideoSummary)})


def send_batch(connection: Connection, batch: Batch, reader: VideoReader) -> None:
    """Sends a batch with the state of its reader."""
    events, arrays = [], list[Pixels]()
    for event in batch.events:
        if isinstance(event, SceneCut):
            events.append(asdict(event))
            continue
        shapes = event.pixels.shape, event.thumbnail.shape
        events.append(
            {"index": event.index, "t_s": event.t_s, "width": event.width, "shapes": shapes}
        )
        arrays += [event.pixels, event.thumbnail]
    send_header(connection, {"events": events, "read_s": batch.read_s, "state": _state(reader)})
    for array in arrays:
        connection.send_bytes(np.ascontiguousarray(array).data.cast("B"))


def send_header(connection: Connection, header: dict[str, Any]) -> None:
    """Sends a message without pixels."""
    connection.send_bytes(orjson.dumps(header))


def send_question(connection: Connection, number: int) -> None:
    """Sends the question whether to go on with the part of this number."""
    send_header(connection, {"goes_on": number})


def receive_header(connection: Connection) -> dict[str, Any]:
    """Receives the start of a message.

    Raises:
        EOFError, OSError: the process has ended, or sent too much.
    """
    header: dict[str, Any] = orjson.loads(connection.recv_bytes(_MAX_HEADER_BYTES))
    return header


def receive_batch(connection: Connection, header: dict[str, Any]) -> Batch:
    """Receives the pixels of a batch.

    Raises:
        EOFError, OSError: as `receive_header` does.
        ValueError, LookupError: the message is malformed.
    """
    batch = Batch(read_s=float(header["read_s"]))
    for event in header["events"]:
        if "shapes" not in event:
            batch.events.append(SceneCut(**event))
            continue
        pixels, thumbnail = (_receive_array(connection, shape) for shape in event["shapes"])
        sample = Sample(event["index"], event["t_s"], event["width"], pixels, thumbnail)
        batch.events.append(sample)
    return batch


def _receive_array(connection: Connection, shape: list[int]) -> Pixels:
    data = connection.recv_bytes(2 * MAX_BATCH_BYTES)
    return np.frombuffer(data, np.uint8).reshape(shape)


def _state(reader: VideoReader) -> dict[str, Any]:
    return {
        "video": asdict(summarised(reader.video)),
        "size": reader.size,
        "seconds": dict(reader.seconds),
    }
