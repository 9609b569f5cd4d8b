"""From decoded frames to those that a player shows: progressive and opaque, in sRGB.

Ordinary frames pass unchanged. The filter graph is built from the first frame that needs one, and
again when the properties of the frames change.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from deepfake_serving.video.decoding.alpha import flatten, has_alpha
from deepfake_serving.video.decoding.conversion_errors import conversion_errors
from deepfake_serving.video.decoding.filter_graph import FilterGraph, Properties, ShownFrame
from deepfake_serving.video.decoding.geometry import orientation_of

_MAX_ASPECT = 16.0
"""Pixels stretched by more are a mistake of the file's, and are shown square."""


class Presentation:
    """Converts the frames of one video."""

    def __init__(self) -> None:
        self._graph: FilterGraph | None = None
        self._scaler = VideoReformatter()
        self._interlaced = False

    def show(self, image: VideoFrame, aspect: Fraction) -> Iterator[ShownFrame]:
        """Adds a decoded frame, and yields those that are ready. `aspect` is that of a pixel.

        Raises:
            UnsupportedMediaType: the frame cannot be converted.
        """
        self._interlaced |= image.interlaced_frame
        with conversion_errors():
            opaque = flatten(self._scaler, image) if has_alpha(image.format) else image
            seen = aspect, orientation_of(image)
            frame = ShownFrame(opaque, image.pts, image.duration, *seen)
            properties = Properties.of(opaque, self._interlaced)
            if self._graph is None or self._graph.properties != properties:
                yield from self.flush()
                self._graph = FilterGraph(properties) if properties.need_filters else None
            yield from [frame] if self._graph is None else self._graph.push(frame)

    def flush(self) -> Iterator[ShownFrame]:
        """Yields the frames that are held back."""
        graph, self._graph = self._graph, None
        if graph is not None:
            with conversion_errors():
                yield from graph.flush()
