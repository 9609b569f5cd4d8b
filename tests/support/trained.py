"""A detector with untrained weights that still separate images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import skimage.data
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from model_handlers.manifest import parse_manifest
from model_handlers.networks.network import Network, build_network
from tests.support.paths import MANIFESTS


def write_trained(folder: Path) -> None:
    """Writes `trained.yaml` and its weights file."""
    data = yaml.safe_load((MANIFESTS / "detector.yaml").read_text())
    network = build_network(parse_manifest(data, "detector.yaml"), seed=7)
    with torch.no_grad():
        _spread(network)
    weights = folder / "network.safetensors"
    save_file(network.state_dict(), weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    data["name"] = "trained"
    data["weights"] = {"file": weights.name, "sha256": digest, "licence": "CC0-1.0"}
    (folder / "trained.yaml").write_text(yaml.safe_dump(data))


def _spread(network: Network) -> None:
    """Scales the last layer: the logits of the crops get mean 0 and standard deviation 2."""
    batch = _crops()
    if network.synthesis is not None:
        network.synthesis.bias -= 40  # adds nothing to them
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics of this very batch
    network.train()(batch)
    logits = network.eval()(batch)
    network.head.linear.weight *= 2 / logits.std()
    network.head.linear.bias -= (logits * 2 / logits.std()).mean()


def _crops() -> torch.Tensor:
    """18 crops of two images, shape (18, 3, 224, 224)."""
    corners = [(y, x) for y in (0, 100, 160) for x in (0, 150, 280)]
    images = (skimage.data.astronaut(), skimage.data.coffee())
    crops = [image[y : y + 224, x : x + 224] for y, x in corners for image in images]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
