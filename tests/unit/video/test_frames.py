"""Decoding: containers, rotation, timestamps, broken files and hostile files."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    TooManyPixels,
    UndecodableMedia,
    UnsupportedMediaType,
)
from deepfake_serving.video.decoding.clock import Clock
from deepfake_serving.video.decoding.container import Cancelled
from deepfake_serving.video.decoding.duration import measure_end_s
from deepfake_serving.video.decoding.frames import VideoDecoder
from deepfake_serving.video.decoding.pixels import MAX_BATCH_BYTES, FrameConverter
from deepfake_serving.video.options import VideoOptions
from model_handlers.pipeline.decode import Pixels
from tests.support.console_warnings import translated
from tests.unit.video.conftest import RATE, write_video

OPTIONS = VideoOptions()


@dataclass(frozen=True)
class Read:
    """Decodes the frames of a file."""

    video: VideoDecoder
    times: list[float]
    images: list[Pixels]


def read(path: Path, options: VideoOptions = OPTIONS) -> Read:
    video = VideoDecoder(path, options.decode_limits, threading.Event())
    converter = FrameConverter()
    times, images = [], []
    for frame in video:
        times.append(frame.t_s)
        images.append(converter.full_size(frame))
    return Read(video, times, images)


def difference(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mkv", "libx265", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
        ("a.mpg", "mpeg1video", "yuv420p"),
        ("a.flv", "flv1", "yuv420p"),
        ("a.wmv", "wmv2", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.y4m", "wrapped_avframe", "yuv420p"),
    ],
)
def test_every_frame_of_each_container_and_codec_is_read(
    name: str, codec: str, pix_fmt: str, moving: list[Pixels], tmp_path: Path
) -> None:
    rate = 25 if name in ("a.mpg", "a.ts") else RATE
    fast = {"x265-params": "log-level=none", "preset": "ultrafast"} if codec == "libx265" else {}
    path = write_video(tmp_path / name, moving, rate, codec, pix_fmt=pix_fmt, codec_options=fast)
    seen = read(path)
    assert len(seen.times) == len(moving)
    assert seen.times == pytest.approx([i / rate for i in range(len(moving))], abs=0.011)
    assert difference(seen.images[20], moving[20]) < 17  # GIF's few colours are the furthest off
    assert seen.video.complete
    assert seen.video.warnings == []
    assert seen.video.end_s == pytest.approx(len(moving) / rate, abs=0.05)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_frames_are_rotated_upright(degrees: int, moving: list[Pixels], tmp_path: Path) -> None:
    """Phones store pixels in sensor orientation, with a display matrix."""
    rotated = [np.rot90(frame, -degrees // 90) for frame in moving[:6]]
    path = write_video(tmp_path / "turned.mp4", rotated, rotation=degrees)
    image = read(path).images[3]
    assert image.shape == moving[3].shape
    assert difference(image, moving[3]) < 6


def test_a_variable_frame_rate_keeps_its_timestamps(moving: list[Pixels], tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.52, 2.0, 2.25]
    path = write_video(tmp_path / "variable.mkv", moving[:6], times=times)
    assert read(path).times == pytest.approx(times, abs=0.002)


def test_times_start_at_the_first_frame(moving: list[Pixels], tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.mkv", moving[:3], times=[7.0, 7.5, 8.0])
    assert read(path).times == pytest.approx([0.0, 0.5, 1.0], abs=0.002)


@pytest.mark.parametrize(
    ("name", "container_format", "options"),
    [("raw.h264", "h264", {}), ("live.webm", "matroska", {"live": "1"})],
)
def test_a_file_without_a_duration_can_be_read_and_measured(
    name: str,
    container_format: str,
    options: dict[str, str],
    moving: list[Pixels],
    tmp_path: Path,
) -> None:
    path = write_video(
        tmp_path / name, moving, 25, options=options, container_format=container_format
    )
    seen = read(path)
    assert seen.video.duration_s is None
    assert len(seen.times) == len(moving)
    assert seen.video.complete
    assert all(a < b for a, b in zip(seen.times, seen.times[1:], strict=False))
    seconds = measure_end_s(path, OPTIONS.max_pixels, threading.Event())
    assert seconds == pytest.approx(len(moving) / 25, abs=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"movflags": "faststart"}),
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.avi", {}),
        ("a.ts", {}),
        ("a.flv", {}),
    ],
)
def test_a_file_truncated_anywhere_is_read_up_to_its_end_or_refused(
    name: str, options: dict[str, str], moving: list[Pixels], tmp_path: Path
) -> None:
    whole = write_video(tmp_path / name, moving, options=options).read_bytes()
    states_length = name != "a.ts" and "frag" not in str(options)
    frames = []
    for tenths in (0.1, 0.5, 1, 3, 5, 7, 9, 9.7):
        path = tmp_path / f"cut-{tenths}-{name}"
        path.write_bytes(whole[: int(len(whole) * tenths / 10)])
        try:
            seen = read(path)
        except UndecodableMedia:
            frames.append(0)
        else:
            assert 0 < len(seen.times) <= len(moving)
            frames.append(len(seen.times))
            if states_length and len(seen.times) < 20:
                assert not seen.video.complete
                assert seen.video.warnings
    assert frames == sorted(frames)
    if options or name != "a.mp4":  # whose index comes last
        assert frames[-1] > 30


def test_damage_within_a_file_loses_frames_with_a_warning(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = random.Random(1).randbytes(3000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    seen = read(path)
    assert 10 < len(seen.times) < 36
    assert not seen.video.complete
    assert "damaged" in seen.video.warnings[0]
    assert translated(seen.video.warnings[0])


@pytest.mark.parametrize(
    "content",
    [
        random.Random(2).randbytes(50_000),
        b"just some text\n" * 500,
        b"%PDF-1.7\n" + bytes(3000),
        b"PK\x03\x04" + bytes(3000),
        bytes(10_000),
    ],
    ids=["noise", "text", "pdf", "zip", "zeros"],
)
def test_a_file_that_is_not_media_is_unsupported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thing.mp4"
    path.write_bytes(content)
    with pytest.raises(UnsupportedMediaType):
        read(path)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "AVIF"])
def test_a_still_image_is_refused_as_a_video(form: str, astronaut: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "image.mp4"
    Image.fromarray(astronaut).save(path, form)
    with pytest.raises(UnsupportedMediaType, match=f"(?i)still image .*{form}.* as an image"):
        read(path)


def test_a_broken_animation_is_no_still_image(astronaut: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "image.apng"
    frame = Image.fromarray(astronaut)
    frame.save(path, "PNG", save_all=True, append_images=[frame.rotate(9)])
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"acTL") + 4])
    with pytest.raises(UndecodableMedia, match="header"):
        read(path)


def test_an_empty_file_is_an_invalid_request(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(InvalidRequest, match="empty"):
        read(tmp_path / "empty.mp4")


def _write_audio(path: Path, cover: Pixels | None = None) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        if cover is not None:
            cover_stream = container.add_stream("mjpeg", rate=1)
            cover_stream.height, cover_stream.width = cover.shape[:2]
            cover_stream.pix_fmt = "yuvj420p"
            cover_stream.disposition = av.stream.Disposition.attached_pic
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, index * 1024
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        if cover is not None:
            shown = av.VideoFrame.from_ndarray(cover, format="rgb24")
            container.mux(cover_stream.encode(shown))
            container.mux(cover_stream.encode(None))
    return path


def test_audio_alone_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaType, match="no video"):
        read(_write_audio(tmp_path / "song.m4a"))


def test_the_cover_image_of_a_song_is_not_a_video(astronaut: Pixels, tmp_path: Path) -> None:
    path = _write_audio(tmp_path / "song.mp4", astronaut)
    with av.open(str(path)) as container:
        assert container.streams.video  # the cover is a video stream
    with pytest.raises(UnsupportedMediaType, match="no video"):
        read(path)


def test_a_video_without_a_frame_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "none.y4m"
    path.write_bytes(b"YUV4MPEG2 W64 H64 F25:1 C420\n")
    with pytest.raises(UndecodableMedia):
        read(path)


PLAYLISTS: dict[str, Callable[[Path], str]] = {
    "list.m3u8": lambda file: (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{file.name}\n#EXT-X-ENDLIST\n"
    ),
    "list.ffconcat": lambda file: f"ffconcat version 1.0\nfile {file.name}\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_reads_no_other_file(
    name: str, moving: list[Pixels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # FFmpeg resolves relative names here
    secret = write_video(tmp_path / "secret.ts", moving[:12])
    playlist = tmp_path / name
    playlist.write_text(PLAYLISTS[name](secret))
    with av.open(str(playlist)) as container:  # FFmpeg would by default
        assert next(container.decode(video=0)).width == 320
    for uploaded in (playlist, tmp_path / "innocent.mp4"):
        if uploaded != playlist:
            shutil.copy(playlist, uploaded)
        with pytest.raises(UnsupportedMediaType):
            read(uploaded)


@pytest.mark.parametrize(
    "content",
    [
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        "<BaseURL>file:///etc/passwd</BaseURL></Period></MPD>",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ],
    ids=["sdp", "dash", "hls of a file", "hls of a URL"],
)
def test_references_to_other_files_are_not_followed(content: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.mp4"
    path.write_text(content)
    with pytest.raises(UnsupportedMediaType):
        read(path)


def test_a_header_that_claims_huge_frames_is_refused(
    clip: Path, moving: list[Pixels], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "huge.gif", moving[:2], codec="gif", pix_fmt="rgb8")
    data = bytearray(path.read_bytes())
    data[6:10] = (12_000).to_bytes(2, "little") * 2  # the logical screen
    path.write_bytes(data)
    with pytest.raises(UndecodableMedia):  # exceeds FFmpeg's max_pixels
        read(path)
    with pytest.raises(TooManyPixels, match="limit is 70000 pixels"):
        read(clip, VideoOptions(max_pixels=70_000))


def test_later_frames_above_the_pixel_limit_are_not_decoded(
    moving: list[Pixels], astronaut: Pixels, tmp_path: Path
) -> None:
    small = write_video(tmp_path / "small.ts", moving * 4).read_bytes()
    large = write_video(tmp_path / "large.ts", [astronaut] * 6).read_bytes()
    path = tmp_path / "grows.ts"
    path.write_bytes(small + large)
    assert {image.shape for image in read(path).images} == {(240, 320, 3), (512, 512, 3)}
    seen = read(path, VideoOptions(max_pixels=320 * 256))
    assert {image.shape for image in seen.images} == {(240, 320, 3)}
    assert not seen.video.complete


def test_concatenated_files_have_ascending_times(moving: list[Pixels], tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", moving).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part)
    times = read(path).times
    assert len(times) > 60
    assert all(a < b for a, b in itertools.pairwise(times))
    assert times[-1] == pytest.approx(6.0, abs=0.5)


def test_max_duration_limits_what_is_read(clip: Path) -> None:
    seen = read(clip, VideoOptions(max_duration_s=1.0))
    assert len(seen.times) == RATE + 1
    assert not seen.video.complete
    assert "the first 1 s" in seen.video.warnings[0]


def test_an_absurd_frame_rate_is_limited_by_frames(moving: list[Pixels], tmp_path: Path) -> None:
    path = write_video(tmp_path / "fast.mp4", moving, rate=90_000)
    seen = read(path, VideoOptions(max_decoded=20))
    assert len(seen.times) == 20
    assert not seen.video.complete
    assert seen.video.frame_rate is None


def test_frames_too_large_for_a_request_are_downscaled(tmp_path: Path) -> None:
    wide = np.zeros((2400, 4000, 3), np.uint8)
    path = write_video(tmp_path / "wide.avi", [wide], codec="mjpeg", pix_fmt="yuvj420p")
    (image,) = read(path).images
    assert MAX_BATCH_BYTES * 0.99 < image.nbytes <= MAX_BATCH_BYTES
    assert image.shape[1] / image.shape[0] == pytest.approx(4000 / 2400, abs=0.002)


def test_stopping_ends_decoding_at_once(clip: Path) -> None:
    stop = threading.Event()
    frames = iter(VideoDecoder(clip, OPTIONS.decode_limits, stop))
    next(frames)
    stop.set()
    with pytest.raises(Cancelled):
        list(frames)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=50))
def test_timestamps_always_increase(stated: list[float | None]) -> None:
    clock = Clock(0.04)
    times = [clock.tick(each) for each in stated]
    assert times[0] == 0.0
    assert all(a < b for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.wmv", "wmv2")],
)
def test_damage_raises_no_other_exceptions(
    name: str, codec: str, moving: list[Pixels], tmp_path: Path
) -> None:
    chance = random.Random(name)
    whole = write_video(tmp_path / name, moving[:12], 25, codec).read_bytes()
    readable = 0
    for _ in range(120):
        path = tmp_path / f"damaged-{name}"
        path.write_bytes(_damaged(whole, chance))
        with contextlib.suppress(UnsupportedMediaType, UndecodableMedia, TooManyPixels):
            readable += bool(read(path, VideoOptions(max_pixels=10**7, max_decoded=50)).times)
    assert 0 < readable < 120


def _damaged(whole: bytes, chance: random.Random) -> bytes:
    """Replaces, removes and inserts bytes, mostly near the start."""
    data = bytearray(whole)
    for _ in range(chance.choice([1, 3, 10, 40])):
        start = int((len(data) - 1) * chance.random() ** 3)
        end = chance.choice([start, start + 1, start + 4, start + chance.randrange(200)])
        data[start:end] = chance.choice([b"", b"\xff" * 4, b"\0" * 4, chance.randbytes(5)])
    return bytes(data)


def animation(path: Path, images: Sequence[Pixels]) -> Path:
    """Writes frames that are shown for 100, 200, 300, … ms."""
    first, *others = [Image.fromarray(image) for image in images]
    durations = [100 * (index + 1) for index in range(len(images))]
    first.save(path, save_all=True, append_images=others, duration=durations)
    return path


@pytest.mark.parametrize("suffix", ["gif", "png", "avif"])
def test_animated_images_are_videos(suffix: str, moving: list[Pixels], tmp_path: Path) -> None:
    images = [np.ascontiguousarray(image) for image in moving[:24:6]]
    seen = read(animation(tmp_path / f"a.{suffix}", images))
    assert seen.times == pytest.approx([0, 0.1, 0.3, 0.6], abs=0.001)
    assert seen.video.complete
    for image, original in zip(seen.images, images, strict=True):
        assert difference(image, original) < 12


@pytest.mark.parametrize(("count", "advice"), [(4, "convert it to MP4"), (1, "send it as an im")])
def test_webp_is_refused_with_advice(
    count: int, advice: str, moving: list[Pixels], tmp_path: Path
) -> None:
    path = animation(tmp_path / "a.webp", moving[:count])
    with pytest.raises(UnsupportedMediaType, match=advice):
        read(path)
