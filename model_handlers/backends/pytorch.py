"""The networks as torch runs them, on a GPU or a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from model_handlers.backends.device_picture import DevicePicture, on_device
from model_handlers.manifest import Manifest
from model_handlers.networks.inference import InferenceModule, load_network
from model_handlers.networks.mtcnn import STAGES, build_stage
from model_handlers.networks.network import Network
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.graph import Cascade, Floats, Graph
from model_handlers.pipeline.mipmap import Mipmap

_AT_MOST = 512
"""Pictures at once: a crowd's candidates would fill the memory."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchGraph:
    """A module on its device, and pictures from there or from here."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module.eval().to(device).to(memory_format=torch.channels_last)
        self.device = device

    @torch.inference_mode()
    def __call__(self, *images: Pixels | Tensor) -> tuple[Floats, ...]:
        batch = torch.cat([self._held(part) for part in images])
        parts = [self._run(chunk) for chunk in torch.split(batch, _AT_MOST)]
        return tuple(torch.cat(part).float().cpu().numpy() for part in zip(*parts, strict=True))

    def _held(self, images: Pixels | Tensor) -> Tensor:
        return images if isinstance(images, Tensor) else on_device(images, self.device)

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        outputs = self.module(batch)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def cascade(weights: Mapping[str, Tensor], device: torch.device) -> Cascade:
    """MTCNN's networks, in fp32: torch's autocast fails in them.

    On a GPU the pictures are held there too, and the levels and candidates are cut there.

    Args:
        weights: as `networks.mtcnn.build_stage` takes them.
    """
    pnet, rnet, onet = (TorchGraph(build_stage(name, weights), device) for name in STAGES)
    hold = Mipmap if device.type == "cpu" else partial(DevicePicture, device=device)
    return Cascade(pnet, rnet, onet, hold)


def judge(
    manifest: Manifest, weights: Network | Mapping[str, Tensor] | None, device: torch.device
) -> Graph:
    """The manifest's network in its precision: crops (n, s, s, 3) → logits (n,).

    Raises:
        ManifestError: the weights are of another network.
    """
    network = weights if isinstance(weights, Network) else load_network(manifest, weights)
    return TorchGraph(InferenceModule(network, manifest, _DTYPES[manifest.precision]), device)
