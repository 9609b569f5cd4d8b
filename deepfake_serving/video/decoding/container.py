"""A video file, opened so that FFmpeg reads its bytes and nothing else."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    TooManyPixels,
    UndecodableMedia,
    UnsupportedMediaType,
)
from deepfake_serving.video.decoding.other_files import NO_VIDEO, START_BYTES
from deepfake_serving.video.decoding.still_images import (
    STILL_BRANDS,
    refuse_unread_image,
    refuse_webp,
    still_image,
)

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,kux,mpegts,mpegtsraw,mpeg,mpegvideo,"
    "asf,ogg,gif,apng,nut,mxf,gxf,lxf,dv,rm,wtv,nsv,nuv,pva,ty,swf,amv,dhav,ivf,obu,av1,h264,hevc,"
    "vvc,evc,m4v,mjpeg,h261,h263,vc1,vc1test,dirac,dnxhd,cavsvideo,avs2,avs3,yuv4mpegpipe,flic,smk,"
    "bink,roq"
)
"""FFmpeg's demuxers of single files. An allow list, since every release adds demuxers that open
further files (playlists: hls, dash, concat, imf; patterns: image2; sessions: sdp)."""

_MAGIC = re.compile(
    rb"....(ftyp|moov|mdat|free|skip|wide)|RIFF....AVI |\x1aE\xdf\xa3|FLV\x01|OggS|GIF8[79]a|"
    rb"\x00\x00\x01[\xb3\xba]|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\x47.{187}\x47|"
    rb"\x00\x00\x00?\x01[\x09\x0a\x27\x40\x42\x46\x67]|DKIF|\x89PNG",
    re.DOTALL,
)
"""Signatures of common containers: a file with one is a broken video, any other is no video."""

_SEQUENCE_BRANDS = frozenset({"avis", "hevc", "hevx", "msf1"})
"""Brands of image sequences, which hold a still image beside their track."""


class Cancelled(Exception):
    """Decoding was stopped."""


class _StoppableFile:
    """A file whose next read fails once `stop` is set, wherever in FFmpeg the read comes from."""

    def __init__(self, file: BinaryIO, stop: threading.Event) -> None:
        self._file, self._stop = file, stop

    def read(self, size: int) -> bytes:
        if self._stop.is_set():
            raise Cancelled
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError:  # before the start of the file, where a damaged index may point
            return -1

    def tell(self) -> int:
        return self._file.tell()


@contextlib.contextmanager
def open_video(
    path: Path, max_pixels: int, stop: threading.Event
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a file and its video stream.

    Demuxers that follow references, and all protocols, are disabled: the file can name no other.

    Raises:
        InvalidRequest: the file is empty.
        UnsupportedMediaType: the file is no video, or none of a supported container or codec.
        UndecodableMedia: the container is supported, but its header is broken.
        TooManyPixels: a frame has more than `max_pixels`.
        Cancelled: `stop` was set.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
        file.seek(0)
        refuse_webp(start)
        codec_options = {"max_pixels": str(max_pixels)}  # applies to later frames too
        with _container(_StoppableFile(file, stop), start, codec_options) as container:
            if container.metadata.get("major_brand") in STILL_BRANDS:
                raise still_image("HEIC or AVIF")
            stream = _video_stream(container)
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > max_pixels:
                frame_size = f"frames of {width} x {height} pixels"
                raise TooManyPixels(f"{frame_size}; the limit is {max_pixels} pixels")
            stream.codec_context.options = codec_options
            yield container, stream


def _container(
    source: _StoppableFile, start: bytes, codec_options: dict[str, str]
) -> InputContainer:
    options = codec_options | {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
    if not start:
        raise InvalidRequest("the file is empty; expected a video")
    try:
        return av.open(source, "r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise
        refuse_unread_image(start)
        if _MAGIC.match(start):
            raise UndecodableMedia("the video is broken: its header cannot be read") from error
        raise UnsupportedMediaType(NO_VIDEO) from error


def _video_stream(container: InputContainer) -> VideoStream:
    """Returns the stream that a player shows, never the cover image of an audio file."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    if not videos:
        raise UnsupportedMediaType("the file has no video stream, only audio or other data")
    if container.metadata.get("major_brand") in _SEQUENCE_BRANDS:
        best = max(videos, key=lambda stream: stream.frames)
    stream = best if isinstance(best, VideoStream) and best in videos else videos[0]
    if stream.codec_context is None:
        raise UnsupportedMediaType("the video's codec is not supported")
    return stream
