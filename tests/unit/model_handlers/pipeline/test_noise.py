"""Noise planes in integers, compared with the network's own planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_handlers.manifest import Manifest, NoiseSpec, parse_manifest
from model_handlers.networks.network import build_network
from model_handlers.networks.planes import PlanesModule
from model_handlers.pipeline.crops.noise import NoisePlanes, takes_planes
from tests.support.properties import examples


def manifest(**fields: Any) -> Manifest:
    given = {"name": "a", "version": "1.0", "task": "classifier", "crop": {"size": 64}}
    return parse_manifest(given | fields, "a.yaml")


def crop(height: int, width: int, seed: int) -> np.ndarray:
    """Values that are mostly extreme or close to each other, so that both truncate or not."""
    rng = np.random.default_rng(seed)
    near = rng.integers(100, 106, (height, width, 3))
    far = rng.choice([0, 1, 254, 255], (height, width, 3))
    return np.where(rng.random((height, width, 1)) < 0.5, near, far).astype(np.uint8)


@pytest.mark.parametrize(
    "noise",
    [
        {},
        {"input": "noise"},
        {"kernels": ["square", "line"], "truncation": 1.5},
        {"kernels": ["line"], "truncation": 63.5},
        {"kernels": ["line", "square", "line"]},
    ],
)
@settings(max_examples=examples(10), deadline=None)
@given(
    height=st.integers(3, 40),
    width=st.integers(3, 40),
    seed=st.integers(0, 999),
)
def test_planes_are_those_of_the_network(
    noise: dict[str, Any], height: int, width: int, seed: int
) -> None:
    spec = manifest(noise=noise, encoder={"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 2.0]})
    network = build_network(spec)
    module = PlanesModule(network, spec)
    pixels = crop(height, width, seed)
    found = NoisePlanes(spec.noise)(pixels)
    assert found.shape == (module.channels, height, width)
    scaled = torch.from_numpy(found)[None].float() * module.scale + module.offset
    expected = network.planes(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float())
    torch.testing.assert_close(scaled, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"noise": NoiseSpec(input="noise").model_dump()}, True),
        ({"noise": {"input": "rgb"}}, False),
        ({"noise": {"learnable": True}}, False),
        ({"noise": {"truncation": 2.1}}, False),  # 8.4 quarters
        ({"noise": {"truncation": 11.0}}, False),  # 132 twelfths
        ({"noise": {"kernels": ["line"], "truncation": 11.0}}, True),
        ({"reference": {"face_px": 96}}, False),
        ({"network": {"name": "meso4"}}, False),
    ],
)
def test_graphs_take_planes_whose_values_are_whole_and_fit_8_bits(
    fields: dict[str, Any], expected: bool
) -> None:
    assert takes_planes(manifest(**fields)) == expected


def test_crops_of_other_sizes_may_follow() -> None:
    planes = NoisePlanes(NoiseSpec())
    crops = [crop(9, 12, 0), crop(9, 12, 1), crop(12, 9, 2), crop(9, 12, 0)]
    found = [planes(each).copy() for each in crops]
    assert [each.shape for each in found] == [(12, 9, 12), (12, 9, 12), (12, 12, 9), (12, 9, 12)]
    np.testing.assert_array_equal(found[0], found[3])
    assert not np.array_equal(found[0], found[1])


def test_crops_may_be_strided() -> None:
    planes = NoisePlanes(NoiseSpec())
    strided = crop(30, 30, 0)[::2, ::2]
    found = planes(strided).copy()
    np.testing.assert_array_equal(found, planes(np.ascontiguousarray(strided)))
