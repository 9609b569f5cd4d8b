"""The OpenVINO backend, for CPUs; workers don't need torch.

The plugin spends milliseconds compiling each new shape, so crops run in padded batches of one size.
On one thread larger batches are no faster.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model_handlers.backends.openvino_runtime import openvino
from model_handlers.manifest import (
    CLASSIFIER_GRAPH,
    GRAPHS_FOLDER,
    Manifest,
    ManifestError,
    NoiseSpec,
)
from model_handlers.pipeline.crops.noise import NoisePlanes
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mipmap import Mipmap
from model_handlers.pipeline.graph import Cascade, Floats, Graph

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
_MAX_CACHED_KERNELS = 64
"""Compiled kernels that a graph keeps, of its last shapes: about ten of P-Net's. OpenVINO keeps
5000 by default, which images of many sizes turn into hundreds of megabytes."""
_BATCHES = {"pnet": None, "rnet": 16, "onet": 4, CLASSIFIER_GRAPH: 1}


class OpenVINOGraph:
    """A compiled graph with a fixed batch size, or with `batch` of None any batch size."""

    def __init__(self, path: Path, precision: str, threads: int, batch: int | None) -> None:
        """`threads` of 0 leaves the number to OpenVINO.

        Raises:
            ManifestError: the archive has no such graph.
        """
        if not path.is_file():
            raise ManifestError(
                f"{path}: the archive has no such graph; was it packaged for torch?"
            )
        model = openvino.Core().read_model(path)
        if batch is not None:
            model.reshape([batch, *list(model.input().partial_shape)[1:]])
        settings = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # All workers would pin to the same first cores and leave the others idle.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": _MAX_CACHED_KERNELS,
        }
        compiled = openvino.compile_model(model, "CPU", settings)
        self._request = compiled.create_infer_request()
        self._outputs, self._batch = len(compiled.outputs), batch
        self.takes_planes: bool = model.input().element_type == openvino.Type.i8
        self.threads: int = compiled.get_property("INFERENCE_NUM_THREADS")

    def __call__(self, *images: Pixels) -> tuple[Floats, ...]:
        return self._in_batches(images[0] if len(images) == 1 else np.concatenate(images))

    def _in_batches(self, images: Pixels) -> tuple[Floats, ...]:
        step = self._batch or len(images)
        parts = [self._run(images[i : i + step], step) for i in range(0, len(images), step)]
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _run(self, images: Pixels, size: int) -> tuple[Floats, ...]:
        count = len(images)
        if count < size:
            images = np.concatenate([images, np.zeros((size - count, *images.shape[1:]), np.uint8)])
        outputs = self._request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return tuple(outputs[index][:count] for index in range(self._outputs))


class PlanesGraph:
    """A graph of noise planes, run on crops (n, s, s, 3)."""

    def __init__(self, graph: Graph, noise: NoiseSpec) -> None:
        self._graph, self._planes = graph, NoisePlanes(noise)

    def __call__(self, *images: Pixels) -> tuple[Floats, ...]:
        outputs = [self._graph(self._planes(crop)[None]) for crops in images for crop in crops]
        return tuple(np.concatenate(part) for part in zip(*outputs, strict=True))


def build_cascade(folder: Path, threads: int) -> Cascade:
    """Loads MTCNN's networks from an unpacked archive, in bf16 if the CPU supports it.

    Compared with facenet-pytorch, bf16 loses no more faces than fp32 (docs/performance.md).
    """
    pnet, rnet, onet = (_graph(folder, name, "bf16", threads) for name in ("pnet", "rnet", "onet"))
    return Cascade(pnet, rnet, onet, Mipmap)


def build_classifier(folder: Path, manifest: Manifest, threads: int) -> Graph:
    """Loads the manifest's network in its precision: crops (n, s, s, 3) → logits (n,).

    An explainable network has a second output: maps (n, h, w) as `Manifest.heatmap` names them.
    """
    graph = _graph(folder, CLASSIFIER_GRAPH, manifest.precision, threads)
    return PlanesGraph(graph, manifest.noise) if graph.takes_planes else graph


def _graph(folder: Path, name: str, precision: str, threads: int) -> OpenVINOGraph:
    return OpenVINOGraph(folder / GRAPHS_FOLDER / f"{name}.xml", precision, threads, _BATCHES[name])
