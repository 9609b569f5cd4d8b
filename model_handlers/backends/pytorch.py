"""The torch backend, for GPUs and CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from model_handlers.backends.device_image import DeviceImage, on_device
from model_handlers.manifest import Manifest
from model_handlers.networks.classifier_network import ClassifierNetwork
from model_handlers.networks.inference import load_network, served_module
from model_handlers.networks.mtcnn import STAGES, build_stage
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mipmap import Mipmap
from model_handlers.pipeline.graph import Cascade, Floats, Graph

_MAX_BATCH = 512
"""Images per forward pass; an image of many people has enough candidates to exhaust memory."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchGraph:
    """A torch module on its device. Inputs may be on that device or NumPy arrays."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module.eval().to(device).to(memory_format=torch.channels_last)
        self.device = device

    @torch.inference_mode()
    def __call__(self, *images: Pixels | Tensor) -> tuple[Floats, ...]:
        batch = torch.cat([self._on_device(part) for part in images])
        parts = [self._run(chunk) for chunk in torch.split(batch, _MAX_BATCH)]
        return tuple(torch.cat(part).float().cpu().numpy() for part in zip(*parts, strict=True))

    def _on_device(self, images: Pixels | Tensor) -> Tensor:
        return images if isinstance(images, Tensor) else on_device(images, self.device)

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        outputs = self.module(batch)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def build_cascade(weights: Mapping[str, Tensor], device: torch.device) -> Cascade:
    """Builds MTCNN's networks in fp32, since torch's autocast fails in them.

    On a GPU the images are uploaded once; pyramids and crops are computed there.

    Args:
        weights: as `networks.mtcnn.build_stage` takes them.
    """
    pnet, rnet, onet = (TorchGraph(build_stage(name, weights), device) for name in STAGES)
    prepare = Mipmap if device.type == "cpu" else partial(DeviceImage, device=device)
    return Cascade(pnet, rnet, onet, prepare)


def build_classifier(
    manifest: Manifest,
    weights: ClassifierNetwork | Mapping[str, Tensor] | None,
    device: torch.device,
) -> Graph:
    """Builds the manifest's network in its precision: crops (n, s, s, 3) → logits (n,).

    An explainable network has a second output: maps (n, h, w) as `Manifest.heatmap` names them.

    Raises:
        ManifestError: the weights are of another architecture.
    """
    network = weights if isinstance(weights, ClassifierNetwork) else load_network(manifest, weights)
    return TorchGraph(served_module(network, manifest, _DTYPES[manifest.precision]), device)
