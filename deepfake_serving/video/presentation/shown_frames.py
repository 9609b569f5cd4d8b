"""From decoded frames to those that a player shows: progressive and opaque, in sRGB.

Ordinary frames pass unchanged. The filter graph is built from the first frame that needs one, and
again when the properties of the frames change.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from deepfake_serving.video.presentation.alpha import flatten, has_alpha
from deepfake_serving.video.presentation.combing import FieldOrder
from deepfake_serving.video.presentation.conversion_errors import conversion_errors
from deepfake_serving.video.presentation.filter_graph import FilterGraph, Properties, ShownFrame
from deepfake_serving.video.presentation.geometry import Orientation, orientation_of
from deepfake_serving.video.presentation.side_data import side_data


class Presentation:
    """Converts the frames of one video.

    Frames whose attributes equal those of the previous frame are not inspected again.
    """

    def __init__(self, field_order: FieldOrder | None = None) -> None:
        """`field_order` is that of frames which are interlaced without saying so."""
        self._field_order = field_order
        self._graph: FilterGraph | None = None
        self._scaler = VideoReformatter()
        self._interlaced = False
        self._orientation = Orientation()
        self._attributes: tuple[Any, ...] | None = None
        self._passes = False
        """Whether frames with those attributes pass unchanged."""

    def show(self, image: VideoFrame, aspect: Fraction) -> Iterator[ShownFrame]:
        """Adds a decoded frame, and yields those that are ready. `aspect` is that of a pixel.

        Raises:
            UnsupportedMediaType: the frame cannot be converted.
        """
        attributes = _attributes(image)
        if attributes == self._attributes and self._passes:
            yield ShownFrame(image, image.pts, image.duration, aspect, self._orientation)
            return
        with conversion_errors():
            yield from self._convert(image, aspect, attributes)

    def flush(self) -> Iterator[ShownFrame]:
        """Yields the frames that are held back."""
        graph, self._graph = self._graph, None
        if graph is not None:
            with conversion_errors():
                yield from graph.flush()

    def _convert(
        self, image: VideoFrame, aspect: Fraction, attributes: tuple[Any, ...]
    ) -> Iterator[ShownFrame]:
        transparent = has_alpha(image.format.name)
        opaque = flatten(self._scaler, image) if transparent else image
        if transparent or attributes != self._attributes:
            self._interlaced |= image.interlaced_frame
            self._attributes, self._orientation = attributes, orientation_of(image)
            yield from self._configure(opaque)
            self._passes = self._graph is None and not transparent
        frame = ShownFrame(opaque, image.pts, image.duration, aspect, self._orientation)
        yield from [frame] if self._graph is None else self._graph.push(frame)

    def _configure(self, image: VideoFrame) -> Iterator[ShownFrame]:
        """Builds the filter graph for such frames, if they need one, and yields earlier frames."""
        deinterlacer = "deint=interlaced" if self._interlaced else None
        if self._field_order is not None:
            deinterlacer = f"deint=all:parity={self._field_order}"
        properties = Properties.of(image, deinterlacer)
        if self._graph is None or self._graph.properties != properties:
            yield from self.flush()
            self._graph = FilterGraph(properties) if properties.need_filters else None


def _attributes(image: VideoFrame) -> tuple[Any, ...]:
    return (
        image.width,
        image.height,
        image.format.name,
        image.colorspace,
        image.color_range,
        image.color_trc,
        image.color_primaries,
        image.interlaced_frame,
        side_data(image),
    )
