"""A filter graph of FFmpeg that deinterlaces frames and converts their colours."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame

from deepfake_serving.video.presentation.colour import add_conversion, conversion_of, table_frame
from deepfake_serving.video.presentation.colour_tables import ColourSpace
from deepfake_serving.video.presentation.geometry import Orientation

_TICK = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame with its timestamps as decoded, and how a player stretches and turns it."""

    image: VideoFrame
    pts: int | None
    duration: int
    aspect: Fraction
    """Width of a pixel through its height."""
    orientation: Orientation


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of frames that a filter graph depends on."""

    width: int
    height: int
    pixel_format: str
    matrix: int
    range: int
    colours: ColourSpace | None
    """None where they stay."""
    deinterlacer: str | None
    """Options of FFmpeg's `bwdif`; None for progressive frames."""

    @classmethod
    def of(cls, image: VideoFrame, deinterlacer: str | None) -> Properties:
        """Raises `UnsupportedMediaType` for colours that cannot be converted."""
        size = image.width, image.height, image.format.name
        colours = conversion_of(image)
        return cls(*size, image.colorspace, image.color_range, colours, deinterlacer)

    @property
    def need_filters(self) -> bool:
        """Whether anything is to be done."""
        return self.deinterlacer is not None or self.colours is not None


class FilterGraph:
    """Filters frames of the same properties. Each comes out once, in order, maybe later."""

    def __init__(self, properties: Properties) -> None:
        self.properties = properties
        self._held: deque[ShownFrame] = deque()
        self._pushed = 0
        self._graph = Graph()
        source = self._source(properties.width, properties.height, properties.pixel_format)
        chain, table = self._filters()
        sink = self._graph.add("buffersink")
        self._graph.link_nodes(source, *chain, sink)
        if table is not None and properties.colours is not None:
            self._configure_table(table, properties.colours)
        else:
            self._graph.configure()

    def push(self, frame: ShownFrame) -> Iterator[ShownFrame]:
        """Adds a frame, and yields those that are ready."""
        self._held.append(frame)
        image = frame.image
        image.pts, image.time_base = self._pushed, _TICK
        self._pushed += 1
        self._graph.push(image, at=0)
        yield from self._pull()

    def flush(self) -> Iterator[ShownFrame]:
        """Yields the last frames."""
        self._graph.push(None, at=0)
        yield from self._pull()

    def _pull(self) -> Iterator[ShownFrame]:
        while self._held:
            try:
                image = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield replace(self._held.popleft(), image=image)

    def _source(self, width: int, height: int, pixel_format: str) -> FilterContext:
        colours = f"colorspace={self.properties.matrix}:range={self.properties.range}"
        size = f"video_size={width}x{height}:pix_fmt={pixel_format}"
        return self._graph.add("buffer", f"{size}:time_base={_TICK}:{colours}")

    def _filters(self) -> tuple[list[FilterContext], FilterContext | None]:
        chain: list[FilterContext] = []
        if self.properties.deinterlacer is not None:
            options = f"mode=send_frame:{self.properties.deinterlacer}"
            chain.append(self._graph.add("bwdif", options))
        if self.properties.colours is None:
            return chain, None
        conversion, table = add_conversion(self._graph, self.properties.colours)
        return chain + conversion, table

    def _configure_table(self, table: FilterContext, colours: ColourSpace) -> None:
        image = table_frame(colours)
        source = self._graph.add(
            "buffer",
            f"video_size={image.width}x{image.height}:pix_fmt={image.format.name}:"
            f"time_base={_TICK}:colorspace=gbr:range=pc",
        )
        source.link_to(table, 0, 1)
        self._graph.configure()
        image.pts, image.time_base = 0, _TICK
        self._graph.push(image, at=1)
        self._graph.push(None, at=1)
