"""The decoder of a stream: the one that FFmpeg prefers, or one that decodes transparency too.

WebM keeps the alpha of VP8 and VP9 as a second stream in BlockAdditional elements, which of
FFmpeg's decoders only those of libvpx read.
"""

from __future__ import annotations

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

THREADS = 2
"""Threads of a decoder. Each holds frames, and the models need the cores too."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

IGNORED_ALPHA = "the transparency of the video was ignored: there is no decoder for it"


def open_decoder(stream: VideoStream, warnings: list[str]) -> VideoCodecContext:
    """Returns a decoder with the options of the stream; adds to `warnings` what it can't decode."""
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS:
        try:
            alpha = CodecContext.create(_ALPHA_DECODERS[decoder.name], "r")
        except av.codec.codec.UnknownCodecError:
            warnings.append(IGNORED_ALPHA)
        else:
            assert isinstance(alpha, VideoCodecContext)
            alpha.options = decoder.options
            decoder = alpha
    decoder.thread_type, decoder.thread_count = "AUTO", THREADS
    return decoder
