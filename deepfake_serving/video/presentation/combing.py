"""Combing: frames that hold two moments, in their odd and even lines, without saying so.

FFmpeg's `idet` compares each field with the other ones in time and in space: fine stripes and text
leave it undecided, but it takes slow vertical motion for combing. So lines must also differ more
from adjacent lines than from the second next, where something moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

FieldOrder = Literal["tff", "bff"]
"""Which field is earlier: the one with the top line, or with the bottom line."""

_MIN_FRAMES = 8
"""Frames of one kind that decide, if there are few of the others."""
_MAJORITY = 4
_MOTION = 12
"""Grey levels between two frames that count as motion."""
_COLUMNS = 4
"""One in so many columns is compared: lines differ alike in all."""
_MIN_RATIO = 1.0
"""Combed frames measured 1.2 to 3.9, ordinary ones 0.4 to 0.6, noise and text up to 0.9."""


def field_order(frames: Iterable[VideoFrame]) -> FieldOrder | None:
    """Returns the field order of combed frames; None of others. It reads no more than it needs."""
    kinds: Counter[str] = Counter()
    lines = _LineDifferences()
    for kind in _kinds(frames, lines):
        kinds[kind] += 1
        decided = max(("tff", "bff", "progressive"), key=kinds.__getitem__)
        others = kinds["tff"] + kinds["bff"] + kinds["progressive"] - kinds[decided]
        if kinds[decided] >= _MIN_FRAMES and kinds[decided] >= _MAJORITY * others:
            combed = decided != "progressive" and lines.ratio > _MIN_RATIO
            return cast("FieldOrder", decided) if combed else None
    return None


class _LineDifferences:
    """Sums how lines differ from adjacent lines, and from the second next, where frames move."""

    def __init__(self) -> None:
        self._previous: npt.NDArray[np.int16] | None = None
        self._adjacent, self._second = 0, 0

    @property
    def ratio(self) -> float:
        """Differences from adjacent lines through those from the second next."""
        return self._adjacent / max(self._second, 1)

    def add(self, grey: npt.NDArray[Any]) -> None:
        """Adds the next frame, (h, w) of the same size."""
        lines, previous = grey[:, ::_COLUMNS].astype(np.int16), self._previous
        self._previous = lines
        if previous is None or len(lines) < 5:
            return
        moving = (np.abs(lines - previous) > _MOTION)[2:-2]
        middle = 2 * lines[2:-2]
        self._adjacent += int(np.abs(middle - lines[1:-3] - lines[3:-1])[moving].sum())
        self._second += int(np.abs(middle - lines[:-4] - lines[4:])[moving].sum())


def _kinds(frames: Iterable[VideoFrame], lines: _LineDifferences) -> Iterator[str]:
    """Yields tff, bff, progressive or undetermined for each frame of the first one's size."""
    graph: Graph | None = None
    size, scaler = (0, 0), VideoReformatter()
    for image in frames:
        if graph is None:
            graph, size = _graph(image), (image.width, image.height)
        if (image.width, image.height) != size:
            return
        grey = scaler.reformat(image, format="gray", threads=1)
        lines.add(grey.to_ndarray())
        graph.push(grey)
        yield from _pull(graph)
    if graph is not None:
        graph.push(None)
        yield from _pull(graph)


def _graph(image: VideoFrame) -> Graph:
    graph = Graph()
    size = f"video_size={image.width}x{image.height}"
    source = graph.add("buffer", f"{size}:pix_fmt=gray:time_base=1/1000")
    graph.link_nodes(source, graph.add("idet"), graph.add("buffersink"))
    graph.configure()
    return graph


def _pull(graph: Graph) -> Iterator[str]:
    while True:
        try:
            image = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield image.metadata["lavfi.idet.multiple.current_frame"]
