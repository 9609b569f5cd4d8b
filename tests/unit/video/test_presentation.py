"""Frames as a player shows them: colours, interlacing, pixel aspect, orientation, transparency."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import VideoReformatter

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.video.decoding import decoder
from deepfake_serving.video.decoding.decoder import IGNORED_ALPHA
from deepfake_serving.video.decoding.frames import Frame
from deepfake_serving.video.decoding.pixels import FrameConverter
from deepfake_serving.video.presentation.colour_tables import ColourSpace, to_srgb
from deepfake_serving.video.presentation.combing import field_order
from deepfake_serving.video.presentation.filter_graph import ShownFrame
from deepfake_serving.video.presentation.geometry import Orientation
from deepfake_serving.video.presentation.shown_frames import Presentation
from model_handlers.pipeline.decode import Pixels
from tests.unit.video.conftest import write_video
from tests.unit.video.test_frames import difference, read

Values = npt.NDArray[np.float64]
Encode = Callable[[Values], Values]

BT2020_FROM_709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
PQ, HLG, BT2020 = 16, 18, 9


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Pixels:
    return np.ascontiguousarray(astronaut[:256, 80:400])


def linear(image: Pixels) -> Values:
    """Converts sRGB to linear light of BT.2020's primaries."""
    coded = image / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return light @ BT2020_FROM_709.T


def as_pq(light: Values) -> Values:
    """Encodes light with SMPTE ST 2084, its white at 203 nits."""
    power = (light * 203 / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def as_hlg(light: Values) -> Values:
    """Encodes light as shown on a display of 1000 nits, its white at 203 nits, with STD-B67."""
    shown = light * 0.203
    luma = np.maximum(shown @ LUMA_2020, 1e-9)[..., None]
    scene = shown * luma ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


def frame_of(values: Values, matrix: int, transfer: int, primaries: int) -> av.VideoFrame:
    """Returns a frame of values, 0 to 1: R'G'B' for matrix 0, otherwise Y, Cb, Cr in full range."""
    coded = np.ascontiguousarray((np.clip(values, 0, 1) * 65535).round().astype(np.uint16))
    if matrix == 0:
        frame = av.VideoFrame.from_ndarray(coded, format="rgb48le")
    else:
        frame = av.VideoFrame.from_ndarray(coded, format="yuv444p16le")
    frame.colorspace, frame.color_range = matrix, 2
    frame.color_trc, frame.color_primaries = transfer, primaries
    return frame


def show(*frames: av.VideoFrame, aspect: Fraction = Fraction(1)) -> list[ShownFrame]:
    presentation = Presentation()
    shown = [each for frame in frames for each in presentation.show(frame, aspect)]
    return shown + list(presentation.flush())


def pixels(shown: ShownFrame) -> Pixels:
    frame = Frame(0, 0.0, 0.0, shown.image, shown.aspect, shown.orientation)
    return FrameConverter().full_size(frame)


def test_an_ordinary_frame_is_returned_unchanged(face: Pixels) -> None:
    frame = av.VideoFrame.from_ndarray(face, format="rgb24").reformat(format="yuv420p")
    assert show(frame)[0].image is frame


@pytest.mark.parametrize(("transfer", "encode"), [(PQ, as_pq), (HLG, as_hlg)], ids=["pq", "hlg"])
def test_hdr_is_shown_as_its_sdr_original(transfer: int, encode: Encode, face: Pixels) -> None:
    coded = encode(linear(face))
    shown = pixels(show(frame_of(coded, 0, transfer, BT2020))[0])
    assert difference((coded * 255).astype(np.uint8), face) > 15
    assert difference(shown, face) < 3
    dark = face.max(-1) < 185  # below the knee of the tone mapping
    assert np.abs(shown.astype(int) - face)[dark].mean() < 0.7


@pytest.mark.parametrize(("transfer", "encode"), [(PQ, as_pq), (HLG, as_hlg)], ids=["pq", "hlg"])
def test_hdr_files_are_shown_as_their_sdr_original(
    transfer: int, encode: Encode, face: Pixels, tmp_path: Path
) -> None:
    image = frame_of(encode(linear(face)), 0, transfer, BT2020)
    image = VideoReformatter().reformat(
        image, format="yuv420p10le", dst_colorspace=BT2020, dst_color_range=1
    )
    path = tmp_path / "hdr.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=12)
        name = "smpte2084" if transfer == PQ else "arib-std-b67"
        tags = f"log-level=none:colorprim=bt2020:colormatrix=bt2020nc:transfer={name}"
        stream.options = {"crf": "12", "preset": "ultrafast", "x265-params": tags}
        stream.width, stream.height, stream.pix_fmt = image.width, image.height, "yuv420p10le"
        for index in range(4):
            image.pts = index
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    seen = read(path)
    assert len(seen.images) == 4
    assert difference(seen.images[2], face) < 4


@pytest.mark.parametrize(("transfer", "least"), [(PQ, 0.92), (HLG, 0.98)], ids=["pq", "hlg"])
def test_bright_and_saturated_skin_keeps_its_shading(
    transfer: int, least: float, face: Pixels
) -> None:
    """SDR pixels with the tags of HDR are such skin; tone mapping must not flatten it."""
    shown = pixels(show(frame_of(face / 255, 0, transfer, BT2020))[0])
    assert np.corrcoef(shading(shown), shading(face))[0, 1] > least


def shading(image: Pixels) -> Values:
    """Returns the second derivative of the luminance of the portrait's face, flat."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)
    return np.asarray(cv2.Laplacian(smooth, cv2.CV_32F)[60:190, 90:190].ravel(), np.float64)


def test_hdr_is_converted_like_ffmpegs_own_converter(face: Pixels) -> None:
    """FFmpeg's scaler, an implementation of its own, clips where this one maps tones."""
    frame = frame_of(as_pq(linear(face) * 0.7), 0, PQ, BT2020)
    reference = VideoReformatter().reformat(
        frame, format="rgb24", dst_color_trc=13, dst_color_primaries=1
    )
    assert difference(pixels(show(frame)[0]), reference.to_ndarray()) < 1


def test_highlights_above_white_remain_distinguishable() -> None:
    steps = np.linspace(0.2, 4.9, 64)[None, :, None] * np.ones((8, 1, 3))
    shown = pixels(show(frame_of(as_pq(steps), 0, PQ, BT2020))[0])[4, :, 1].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] in (254, 255)
    assert shown[steps[0, :, 0] > 1][0] < 248


def test_mastering_metadata_determines_the_peak_luminance() -> None:
    value = as_pq(np.full((1, 3), 2.0))
    shown = [to_srgb(value, ColourSpace(0, True, PQ, BT2020, peak))[0, 0] for peak in (2, 5, 50)]
    assert shown[0] == pytest.approx(1, abs=1e-3)
    assert shown[0] > shown[1] > shown[2] > 0.9


POWERS = {4: 2.2, 5: 2.8, 8: 1.0}


@pytest.mark.parametrize("transfer", POWERS)
def test_other_transfer_functions_are_converted(transfer: int, face: Pixels) -> None:
    coded = face / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    shown = pixels(show(frame_of(light ** (1 / POWERS[transfer]), 0, transfer, 1))[0])
    assert difference(shown, face) < 1


def test_wide_gamut_is_shown_in_srgb(face: Pixels) -> None:
    light = np.clip(linear(face), 0, 1)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert difference(pixels(show(frame_of(coded, 0, 13, BT2020))[0]), face) < 1


def ycgco(rgb: Values) -> Values:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luma = (red + 2 * green + blue) / 4
    return np.stack([luma, (2 * green - red - blue) / 4 + 0.5, (red - blue) / 2 + 0.5], -1)


def bt709_curve(light: Values) -> Values:
    return np.where(light < 0.0181, 4.5 * light, 1.0993 * np.maximum(light, 0) ** 0.45 - 0.0993)


def bt2020c(rgb: Values) -> Values:
    light = np.where(rgb < 0.0812, rgb / 4.5, ((rgb + 0.0993) / 1.0993) ** (1 / 0.45))
    luma = bt709_curve(light @ LUMA_2020)
    blue, red = rgb[..., 2] - luma, rgb[..., 0] - luma
    return np.stack(
        [
            luma,
            np.where(blue <= 0, blue / 1.9404, blue / 1.5816) + 0.5,
            np.where(red <= 0, red / 1.7184, red / 0.9936) + 0.5,
        ],
        -1,
    )


@pytest.mark.parametrize(("matrix", "encode"), [(8, ycgco), (10, bt2020c)], ids=["ycgco", "2020c"])
def test_matrices_that_the_scaler_lacks_are_converted(
    matrix: int, encode: Encode, face: Pixels
) -> None:
    primaries = BT2020 if matrix == 10 else 1
    values = encode(face / 255)
    shown = pixels(show(frame_of(values, matrix, 1, primaries))[0])
    expected = pixels(show(frame_of(face / 255, 0, 1, primaries))[0])
    assert difference(shown, expected) < 1


def test_ictcp_is_converted(face: Pixels) -> None:
    to_lms = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096
    to_ictcp = np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096
    values = as_pq(linear(face) @ to_lms.T) @ to_ictcp.T + [0, 0.5, 0.5]
    assert difference(pixels(show(frame_of(values, 14, PQ, BT2020))[0]), face) < 3


def every_colour_tag() -> list[tuple[int, int, int]]:
    matrices = [(matrix, 1, 1) for matrix in range(20)]
    transfers = [(1, transfer, 1) for transfer in range(20)]
    return matrices + transfers + [(1, 1, primaries) for primaries in (*range(14), 22, 23)]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "rgb24"])
def test_every_colour_tag_is_converted_or_refused(pixel_format: str, face: Pixels) -> None:
    """Ordinary SDR tags with wrong values of one kind must not raise any other error."""
    source = av.VideoFrame.from_ndarray(face, format="rgb24").reformat(format=pixel_format)
    refused = set()
    for tags in every_colour_tag():
        source.colorspace, source.color_trc, source.color_primaries = tags
        try:
            assert pixels(show(source)[0]).shape == face.shape
        except UnsupportedMediaType:
            refused.add(tags)
    assert (15, 1, 1) in refused  # IPT-C2
    assert len(refused) < 16


def woven(fields: Sequence[Pixels], lower_first: bool = False) -> list[Pixels]:
    """Returns frames of two fields each, as an interlacing camera writes them."""
    frames = []
    for first, second in zip(fields[::2], fields[1::2], strict=True):
        frame = first.copy()
        frame[int(not lower_first) :: 2] = second[int(not lower_first) :: 2]
        frames.append(frame)
    return frames


@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize("lower_first", [False, True])
def test_interlaced_frames_are_deinterlaced(
    lower_first: bool, flagged: bool, astronaut: Pixels, tmp_path: Path
) -> None:
    fields = [np.ascontiguousarray(astronaut[:256, 40 + 4 * i : 360 + 4 * i]) for i in range(36)]
    frames = woven(fields, lower_first)
    options = {"crf": "12"}
    if flagged:
        options["x264-params"] = "bff=1" if lower_first else "tff=1"
    path = write_video(tmp_path / "interlaced.mp4", frames, codec_options=options)
    seen = read(path)
    assert len(seen.images) == len(frames)
    assert seen.times == pytest.approx([i / 12 for i in range(18)], abs=0.01)
    assert difference(frames[5], fields[10]) > 8
    assert min(difference(seen.images[5], fields[10 + i]) for i in (0, 1)) < 5


def moving_patch(background: Pixels, patch: Pixels, dx: int, dy: int) -> list[Pixels]:
    """Returns 24 frames in which a patch moves over a background."""
    frames = []
    for i in range(24):
        frame = background.copy()
        height, width = patch.shape[:2]
        frame[10 + dy * i :, 10 + dx * i :][:height, :width] = patch
        frames.append(frame)
    return frames


def stripes(step: int, side: int = 320) -> Pixels:
    lines = np.where(np.arange(side) // step % 2 == 0, 235, 16).astype(np.uint8)
    return np.repeat(lines[:, None, None], side, 1).repeat(3, 2)


def credits_page() -> Pixels:
    page = np.full((420, 320, 3), 255, np.uint8)
    for line in range(28):
        at, font = (4, 15 * line + 12), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(page, f"Fine print of the credits {line}", at, font, 0.4, (0, 0, 0), 1)
    return page


PROGRESSIVE: dict[str, Callable[[Pixels], list[Pixels]]] = {
    "pan": lambda image: [image[:256, 60 + 4 * i :][:, :320] for i in range(24)],
    "tilt": lambda image: [image[i : 256 + i, 60:380] for i in range(24)],
    "slow tilt": lambda image: [
        cv2.warpAffine(image[:256, 60:380], np.float32([[1, 0, 0], [0, 1, -0.6 * i]]), (320, 240))
        for i in range(24)
    ],
    "text": lambda _: [credits_page()[3 * i :][:240] for i in range(24)],
    "slow text": lambda _: [credits_page()[i:][:240] for i in range(24)],
    "stripes": lambda _: [stripes(1)[:240]] * 24,
    "stripes down": lambda _: [stripes(1)[i % 4 :][:240] for i in range(24)],
    "wide stripes": lambda _: [stripes(2)[i:][:240] for i in range(24)],
    "shirt": lambda image: moving_patch(image[:256, 80:400], stripes(1)[:120, :120], 3, 1),
    "noise": lambda image: [
        np.clip(
            image[:256, 80:400] + np.random.default_rng(i).normal(0, 8, (256, 320, 3)), 0, 255
        ).astype(np.uint8)
        for i in range(24)
    ],
}


@pytest.mark.parametrize("kind", PROGRESSIVE)
def test_progressive_frames_are_not_deinterlaced(kind: str, astronaut: Pixels) -> None:
    frames = PROGRESSIVE[kind](astronaut)
    assert field_order(video_frames(frames)) is None


@pytest.mark.parametrize("lower_first", [False, True])
def test_a_small_part_that_moves_shows_the_field_order(
    lower_first: bool, astronaut: Pixels
) -> None:
    fields = moving_patch(astronaut[:256, 80:400], astronaut[60:160, 180:280], 4, 0)
    order = field_order(video_frames(woven(fields, lower_first)))
    assert order == ("bff" if lower_first else "tff")


def video_frames(images: Sequence[Pixels]) -> Iterator[av.VideoFrame]:
    for index, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = index
        yield frame


def test_frames_have_square_pixels(astronaut: Pixels, tmp_path: Path) -> None:
    """CCTV stores half of the lines (2CIF), DV stretches lines."""
    half = cv2.resize(astronaut, (512, 256), interpolation=cv2.INTER_AREA)
    path = tmp_path / "cctv.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 512, 256, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(1, 2)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(half, format="rgb24")))
        container.mux(stream.encode(None))
    image = read(path).images[1]
    assert image.shape == astronaut.shape
    assert difference(image, astronaut) < 6


@pytest.mark.parametrize(
    ("aspect", "shape"), [(Fraction(2), (256, 640, 3)), (Fraction(1, 4), (1024, 320, 3))]
)
def test_the_aspect_correction_only_enlarges(
    aspect: Fraction, shape: tuple[int, ...], face: Pixels
) -> None:
    frame = av.VideoFrame.from_ndarray(face, format="rgb24")
    assert pixels(show(frame, aspect=aspect)[0]).shape == shape


ORIENTATIONS = [
    ((1, 0, 0, 1), lambda image: image),
    ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    ((1, 0, 0, -1), lambda image: image[::-1]),
    ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    ((0, -1, -1, 0), lambda image: image[::-1, ::-1].transpose(1, 0, 2)),
    ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    ((0, -1, 1, 0), lambda image: np.rot90(image)),
]


@pytest.mark.parametrize(("matrix", "shown"), ORIENTATIONS, ids=[str(m) for m, _ in ORIENTATIONS])
def test_all_eight_orientations_of_the_display_matrix_are_applied(
    matrix: tuple[int, ...], shown: Callable[[Pixels], Pixels], face: Pixels, tmp_path: Path
) -> None:
    """x' = a x + c y and y' = b x + d y (ISO/IEC 14496-12)."""
    path = write_video(tmp_path / "a.mp4", [face] * 3, rotation=90)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    record = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:at] + record + data[at + 36 :])
    image = read(path).images[1]
    expected = shown(face)
    assert image.shape == expected.shape
    assert difference(image, expected) < 6


def test_rotations_swap_width_and_height() -> None:
    assert Orientation(quarter_turns=3).size(4, 2) == (2, 4)
    assert Orientation(mirrored=True).size(4, 2) == (4, 2)


@pytest.mark.parametrize("pixel_format", ["rgba", "yuva420p"])
def test_transparent_frames_are_shown_on_white(pixel_format: str, face: Pixels) -> None:
    alpha = np.zeros(face.shape[:2], np.uint8)
    alpha[:, :160] = 255
    rgba = av.VideoFrame.from_ndarray(np.dstack([face, alpha]), format="rgba")
    image = pixels(show(rgba.reformat(format=pixel_format))[0])
    assert difference(image[:, :158], face[:, :158]) < 4
    assert (image[:, 162:] > 250).all()


def transparent_webm(path: Path, encoder: str, face: Pixels) -> Path:
    """Writes a face whose right half is transparent."""
    alpha = np.zeros(face.shape[:2], np.uint8)
    alpha[:, :160] = 255
    rgba = av.VideoFrame.from_ndarray(np.dstack([face, alpha]), format="rgba")
    image = rgba.reformat(format="yuva420p")
    with av.open(str(path), "w") as container:
        speed = {"crf": "10", "b": "2M", "auto-alt-ref": "0", "deadline": "realtime"}
        stream = container.add_stream(encoder, rate=12, options=speed)
        stream.height, stream.width = face.shape[:2]
        stream.pix_fmt = "yuva420p"
        for index in range(3):
            image.pts = index
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


ALPHA_ENCODERS = ["libvpx", "libvpx-vp9"]


@pytest.mark.parametrize("encoder", ALPHA_ENCODERS)
def test_transparent_webm_is_shown_on_white(encoder: str, face: Pixels, tmp_path: Path) -> None:
    seen = read(transparent_webm(tmp_path / "a.webm", encoder, face))
    assert len(seen.images) == 3
    assert seen.video.warnings == []
    for image in seen.images:
        assert difference(image[:, :152], face[:, :152]) < 6
        assert (image[:, 168:] > 250).all()


@pytest.mark.parametrize("encoder", ALPHA_ENCODERS)
def test_transparency_without_a_decoder_is_a_warning(
    encoder: str, face: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = transparent_webm(tmp_path / "a.webm", encoder, face)
    missing = dict.fromkeys(("vp8", "vp9"), "libvpx-of-another-build")
    monkeypatch.setattr(decoder, "_ALPHA_DECODERS", missing)
    seen = read(path)
    assert len(seen.images) == 3
    assert seen.video.warnings == [IGNORED_ALPHA]
