"""Live sources whose playlists and session descriptions are mutated."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from yarl import URL

from deepfake_serving.contracts.problems import UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.sources import hls
from deepfake_serving.gateway.sources.hls import HLS
from deepfake_serving.gateway.sources.sdp import find_video

hls._MIN_POLL_S = hls._MAX_POLL_S = 0.0  # the fetcher below is read once more at once
_MAX_FETCHES = 12
_URL = "https://tv.example/deep/live.m3u8"

_SEGMENTS = "".join(f"#EXTINF:2.{n},title\n{n}.ts?x={n}\n" for n in range(4))
_MASTER = (
    "#EXTM3U\n#EXT-X-VERSION:7\n"
    '#EXT-X-MEDIA:TYPE=AUDIO,URI="sound.m3u8",GROUP-ID="a"\n'
    '#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1280x720,CODECS="avc1.6,mp4a.4"\nhd/live.m3u8\n'
    "#EXT-X-STREAM-INF:RESOLUTION=640x360,BANDWIDTH=200000\n//cdn.example/sd.m3u8\n"
)
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\na=control:*\r\nm=audio 0 RTP/AVP 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
    "sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\na=control:trackID=1\r\n"
)


def descriptions() -> dict[str, bytes]:
    """Returns playlists and session descriptions by name."""
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:41\n"
    gap = "#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:6,\nb.m4s\n#EXT-X-KEY:METHOD=NONE\n"
    texts = {
        "live.m3u8": head + _SEGMENTS,
        "ended.m3u8": head + _SEGMENTS + gap + _SEGMENTS + "#EXT-X-ENDLIST\n",
        "fragmented.m3u8": head + '#EXT-X-MAP:URI="init.mp4"\n' + _SEGMENTS + "#EXT-X-ENDLIST\n",
        "master.m3u8": _MASTER,
        "h264.sdp": _SDP,
        "h265.sdp": _SDP.replace("H264", "H265").replace("sprop-parameter-sets", "sprop-vps"),
    }
    return {name: text.encode() for name, text in texts.items()}


def read_source(name: str, data: bytes, folder: Path) -> None:
    """Reads a live source with such a description.

    Raises:
        Problem: the source is refused, or ends.
    """
    if name.endswith(".sdp"):
        find_video(data.decode("utf-8", "replace"))
        return
    segments = folder / "segments"
    segments.mkdir()
    try:
        asyncio.run(_read_hls(_Files(data), segments))
    finally:
        shutil.rmtree(segments)


async def _read_hls(fetcher: Fetcher, folder: Path) -> None:
    source = HLS(fetcher, _URL, folder, 5.0)
    async for segment in source.segments():
        assert segment.seconds >= 0


class _Files(Fetcher):
    """Serves a playlist, another one for its variants, and a few bytes for segments."""

    def __init__(self, playlist: bytes) -> None:
        super().__init__(AddressPolicy([]), 10)
        self._playlist, self._fetches = playlist, 0
        self._variant = descriptions()["ended.m3u8"]

    async def fetch(self, url: str, write: Callable[[bytes], object], max_bytes: int) -> URL:
        final = self.check(url)
        self._fetches += 1
        if self._fetches > _MAX_FETCHES:
            raise UnreachableURL("the source has ended")
        playlist = self._playlist if url == _URL else self._variant
        write(playlist if final.path.endswith(".m3u8") else bytes(188))
        return final
