"""Maps, filters and compression on tensors, compared with libraries for single images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from deepfake_serving.training.gpu import filters
from deepfake_serving.training.gpu.compression import h264_like, jpeg
from deepfake_serving.training.gpu.degradation import degrade
from deepfake_serving.training.gpu.geometry import (
    compose,
    crop_maps,
    invert,
    sample,
    similarity,
    transform,
)
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels


@pytest.fixture(scope="module")
def head(astronaut: Pixels) -> Pixels:
    return np.ascontiguousarray(astronaut[:224, 100:324])


def _tensor(image: Pixels) -> Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()


def _pixels(images: Tensor) -> Pixels:
    return images[0].permute(1, 2, 0).round().clamp(0, 255).numpy().astype(np.uint8)


def _difference(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(float) - second).mean())


@pytest.mark.parametrize("quality", [30, 50, 75, 90])
def test_jpeg_is_close_to_libjpeg(head: Pixels, quality: int) -> None:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", head[:, :, ::-1], settings)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    reference = decoded[:, :, ::-1].astype(np.uint8)
    actual = _pixels(jpeg(_tensor(head), torch.tensor([float(quality)]), True, (0, 0)))
    assert _difference(actual, reference) < 0.4 * _difference(head, reference)


def test_each_image_is_compressed_at_its_own_quality(head: Pixels) -> None:
    both = torch.cat([_tensor(head)] * 2)
    low, high = jpeg(both, torch.tensor([20.0, 95.0]), False, (3, 5))
    original = _tensor(head)[0]
    assert (low - original).abs().mean() > 3 * (high - original).abs().mean()


def test_larger_quantizer_steps_of_the_video_codec_lose_more(head: Pixels) -> None:
    steps = torch.tensor([2.0, 10.0, 40.0])
    coded = h264_like(torch.cat([_tensor(head)] * 3), steps, (0, 0))
    errors = (coded - _tensor(head)).abs().mean((1, 2, 3)).tolist()
    assert errors == sorted(errors)


def test_crops_equal_those_of_the_service(astronaut: Pixels) -> None:
    box = [178.0, 58.0, 270.0, 178.0]  # the service rounds the square to whole pixels
    expected = crop_face(astronaut, box, CropSpec(size=224, margin=1.3))
    one, none = torch.ones(1), torch.zeros(1, dtype=torch.bool)
    maps = crop_maps(torch.tensor([box]), 224, 1.3 * one, torch.zeros(1, 2), 0 * one, none)
    height, width = astronaut.shape[:2]
    extents = torch.tensor([[0.0, 0.0, width, height]])
    actual = _pixels(sample(_tensor(astronaut), maps, extents, 224, "bicubic"))
    assert _difference(actual, expected) < 1.5


def test_crops_are_reflected_beyond_the_border(head: Pixels) -> None:
    one, none = torch.ones(1), torch.zeros(1, dtype=torch.bool)
    box = torch.tensor([[-100.0, 0.0, 124.0, 224.0]])
    maps = crop_maps(box, 224, one, torch.zeros(1, 2), 0 * one, none)
    extents = torch.tensor([[0.0, 0.0, 224.0, 224.0]])
    actual = _pixels(sample(_tensor(head), maps, extents, 224, "bilinear"))
    np.testing.assert_array_equal(actual[:, 100:], head[:, :124])
    np.testing.assert_array_equal(actual[:, :99], head[:, 1:100][:, ::-1])


def test_coordinate_maps_compose_and_invert() -> None:
    torch.manual_seed(0)
    source, target = torch.rand(4, 5, 2) * 100, torch.rand(4, 5, 2) * 100
    angle = torch.tensor([0.1, -1.0, 2.0, 3.0])
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(4, 2, 2)
    moved = source @ turn.transpose(1, 2) * 1.7 + 5
    torch.testing.assert_close(
        transform(similarity(source, moved), source), moved, atol=1e-3, rtol=0
    )
    first, second = similarity(source, target), similarity(target, source)
    both = compose(second, first)
    torch.testing.assert_close(
        transform(both, source), transform(second, transform(first, source)), atol=1e-2, rtol=0
    )
    unchanged = transform(invert(first), transform(first, source))
    torch.testing.assert_close(unchanged, source, atol=1e-2, rtol=0)


def test_blur_is_a_gaussian(head: Pixels) -> None:
    actual = _pixels(filters.blur(_tensor(head), torch.tensor([2.0]), 8))
    reference = cv2.GaussianBlur(head, (17, 17), 2.0, borderType=cv2.BORDER_REFLECT_101)
    assert _difference(actual, reference.astype(np.uint8)) < 0.5


def test_both_images_of_a_pair_are_degraded_equally(head: Pixels) -> None:
    """Equal images stay equal except for noise, so augmentation does not separate a pair."""
    torch.manual_seed(1)
    pairs = torch.cat([_tensor(head)] * 40).view(20, 2, 3, 224, 224)
    real, fake = degrade(pairs).unbind(1)
    change = (degrade(pairs)[:, 0] - pairs[:, 0]).abs().mean()
    assert (real.mean((1, 2, 3)) - fake.mean((1, 2, 3))).abs().max() < 2
    assert (real - fake).abs().mean() < 0.3 * change
