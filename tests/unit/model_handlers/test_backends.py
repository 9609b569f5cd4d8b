"""OpenVINO's graphs give the same outputs as the torch modules that they were exported from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deepfake_serving.packaging.openvino_ir import intermediate_representation
from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT
from model_handlers.backends import openvino, pytorch
from model_handlers.backends.openvino import PlanesGraph
from model_handlers.manifest import (
    CLASSIFIER_GRAPH,
    GRAPHS_FOLDER,
    MANIFEST_FILE,
    MTCNN_FILE,
    NETWORK_FILE,
    ManifestError,
    parse_manifest,
    read_manifest,
)
from model_handlers.networks.inference import load_network, served_module
from model_handlers.pipeline.decode import Pixels
from tests.support.paths import ROOT

Unpacked = Callable[[str], Path]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def patches(astronaut: Pixels, no_face: Pixels) -> Pixels:
    """Returns parts (6, 224, 224, 3) of two images."""
    slots = [(48, 96), (48, 288), (170, 260)]
    return np.stack([p[y : y + 224, x : x + 224] for p in (astronaut, no_face) for y, x in slots])


def images_for(name: str, count: int, astronaut: Pixels) -> Pixels:
    side = {"pnet": 90, "rnet": 24, "onet": 48}[name]
    return np.stack([astronaut[i : i + side, 150 + i : 150 + i + side] for i in range(count)])


def test_openvino_logits_and_maps_equal_torch(unpacked: Unpacked, patches: Pixels) -> None:
    folder = unpacked("detector")
    manifest = read_manifest(folder / MANIFEST_FILE)
    ours, our_maps = openvino.build_classifier(folder, manifest, threads=1)(patches)
    by_torch = pytorch.build_classifier(manifest, load_file(folder / NETWORK_FILE), CPU)
    expected, maps = by_torch(patches)
    assert ours.shape == (6,)
    assert our_maps.shape == (6, 7, 7)
    np.testing.assert_allclose(ours, expected, atol=2e-3)
    np.testing.assert_allclose(our_maps, maps, atol=2e-3)
    assert np.ptp(expected) > 0.5, "patches that are classified alike would prove nothing"


def test_a_graph_of_crops_gives_the_same_logits(
    unpacked: Unpacked, patches: Pixels, tmp_path: Path
) -> None:
    """Archives of earlier versions have such graphs."""
    folder = unpacked("detector")
    manifest = read_manifest(folder / MANIFEST_FILE)
    module = served_module(load_network(manifest, load_file(folder / NETWORK_FILE)), manifest)
    (tmp_path / GRAPHS_FOLDER).mkdir()
    parts = intermediate_representation(module, (-1, 224, 224, 3))
    for suffix, content in zip(("xml", "bin"), parts, strict=True):
        (tmp_path / GRAPHS_FOLDER / f"{CLASSIFIER_GRAPH}.{suffix}").write_bytes(content)
    by_planes, by_crops = (
        openvino.build_classifier(where, manifest, threads=1) for where in (folder, tmp_path)
    )
    assert isinstance(by_planes, PlanesGraph)
    assert not isinstance(by_crops, PlanesGraph)
    np.testing.assert_allclose(by_planes(patches)[0], by_crops(patches)[0], atol=1e-4)


def test_a_lower_precision_is_close(unpacked: Unpacked, patches: Pixels) -> None:
    folder = unpacked("detector")
    manifest = read_manifest(folder / MANIFEST_FILE)
    rough = manifest.model_copy(update={"precision": "bf16"})
    (exact, exact_maps), (found, maps) = (
        openvino.build_classifier(folder, m, 1)(patches) for m in (manifest, rough)
    )
    np.testing.assert_allclose(found, exact, atol=1.0)
    np.testing.assert_allclose(maps, exact_maps, atol=0.3)


@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_each_openvino_stage_equals_torch(
    name: str, count: int, unpacked: Unpacked, astronaut: Pixels
) -> None:
    """The tolerance covers bf16, on CPUs that support it."""
    folder = unpacked("faces")
    images = images_for(name, count, astronaut)
    ours = getattr(openvino.build_cascade(folder, 1), name)(images)
    expected = getattr(pytorch.build_cascade(load_file(folder / MTCNN_FILE), CPU), name)(images)
    assert [part.shape for part in ours] == [part.shape for part in expected]
    assert all(len(part) == count for part in ours)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=0.06)


def test_torch_splits_large_batches(
    unpacked: Unpacked, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    rnet = pytorch.build_cascade(load_file(unpacked("faces") / MTCNN_FILE), CPU).rnet
    images = images_for("rnet", 9, astronaut)
    whole = rnet(images)
    monkeypatch.setattr(pytorch, "_MAX_BATCH", 4)
    for a, b in zip(rnet(images), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_an_output_is_not_overwritten_by_the_next_call(unpacked: Unpacked, patches: Pixels) -> None:
    folder = unpacked("detector")
    classify = openvino.build_classifier(folder, read_manifest(folder / MANIFEST_FILE), threads=1)
    first, maps = classify(patches[:1])
    before = first.copy(), maps.copy()
    classify(patches[1:2])
    np.testing.assert_array_equal(first, before[0])
    np.testing.assert_array_equal(maps, before[1])


def test_read_only_and_strided_images_are_accepted(unpacked: Unpacked, astronaut: Pixels) -> None:
    folder = unpacked("detector")
    manifest = read_manifest(folder / MANIFEST_FILE)
    strided = astronaut[None, 0:448:2, 0:448:2]
    for classify in (
        openvino.build_classifier(folder, manifest, 1),
        pytorch.build_classifier(manifest, load_file(folder / NETWORK_FILE), CPU),
    ):
        np.testing.assert_array_equal(
            classify(strided)[0], classify(np.ascontiguousarray(strided))[0]
        )


def test_the_same_module_is_exported_to_the_same_bytes() -> None:
    class Doubling(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.permute(0, 3, 1, 2).float() * 2

    created = [intermediate_representation(Doubling(), (-1, 8, 8, 3)) for _ in range(2)]
    assert created[0] == created[1]


def test_the_openvino_backend_is_for_cpus() -> None:
    given: dict[str, Any] = {"name": "a", "version": "1.0", "task": "faces"}
    with pytest.raises(ManifestError, match="backend openvino is for CPUs"):
        parse_manifest(given | {"backend": "openvino", "device": "cuda"}, "a.yaml")


def test_images_of_many_sizes_do_not_grow_a_worker(unpacked: Unpacked) -> None:
    """Each shape has kernels, of which OpenVINO keeps 5000 by default: a megabyte a shape.

    In a process of its own. With AMX, 70 MiB come with the first hundred shapes, and stay.
    """
    completed = subprocess.run(
        [sys.executable, "-c", _MANY_SHAPES, unpacked("detector")],
        cwd=ROOT,
        env=os.environ | WORKER_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(completed.stdout) < 32 * 2**20


_MANY_SHAPES = """
import sys
from pathlib import Path
import numpy as np, psutil
from model_handlers.backends.openvino import build_cascade

pnet, resident = build_cascade(Path(sys.argv[1]), 1).pnet, []
for height in range(600, 200, -2):
    pnet(np.zeros((1, height, 240, 3), np.uint8))
    resident.append(psutil.Process().memory_info().rss)
print(resident[-1] - resident[100])
"""
