"""Faces to raw logits: the same crops as in service, before any calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from model_handlers.manifest import Manifest
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.network import Network
from training.material import FaceRegion

Floats = npt.NDArray[np.float64]
_BATCH = 16


def region_crops(regions: Sequence[FaceRegion], manifest: Manifest) -> list[Pixels]:
    """The network's crops of the regions' faces."""
    return [crop_face(region.pixels, region.box, manifest.crop) for region in regions]


@torch.inference_mode()
def logits(network: Network, crops: Sequence[Pixels]) -> Floats:
    """uint8 (s, s, 3) crops → logits (n,), in fp32, on the network's device."""
    device = next(network.parameters()).device
    parts = []
    for first in range(0, len(crops), _BATCH):
        batch = torch.from_numpy(np.stack(crops[first : first + _BATCH])).permute(0, 3, 1, 2)
        parts.append(network(batch.to(device).float()).double().cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros(0)
