"""EfficientNets with a linear head: DFDC's first prize, self-blended images, DeepfakeBench.

Tan & Le 2019 (arXiv:1905.11946), V2: arXiv:2104.00298. Attention over a stage's output: Bonettini
et al., "Video Face Manipulation Detection Through Ensemble of CNNs", ICPR 2020 (arXiv:2004.07676).
"""

from __future__ import annotations

import math
from typing import cast

import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.network_specs import EfficientNetSpec


class FixedPadConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow does for another input size.

    efficientnet_pytorch computes paddings once, for its networks' nominal input size. Weights that
    were trained with it on smaller crops expect those paddings.
    """

    fixed: tuple[int, int, int, int]

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, self.fixed))


class AttentiveEfficientNet(nn.Module):
    """An EfficientNet whose `stage` is multiplied by the sigmoid of a 1x1 convolution of itself."""

    def __init__(self, net: nn.Module, stage: int) -> None:
        super().__init__()
        self.net, self.stage = net, stage
        blocks = cast(nn.Sequential, net.blocks)
        self.attention = nn.Conv2d(_channels_after(blocks[stage]), 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """Returns the feature map before pooling."""
        net = cast("timm.models.EfficientNet", self.net)
        x = net.bn1(net.conv_stem(x))
        for index, stage in enumerate(net.blocks):
            x = stage(x)
            if index == self.stage:
                x = x * torch.sigmoid(self.attention(x))
        features: Tensor = net.bn2(net.conv_head(x))
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Pools the feature map and returns logits (n, classes)."""
        logits: Tensor = cast("timm.models.EfficientNet", self.net).forward_head(features)
        return logits

    def get_classifier(self) -> nn.Module:
        """Returns the linear layer after pooling."""
        classifier: nn.Module = cast("timm.models.EfficientNet", self.net).get_classifier()
        return classifier


def build_efficientnet(spec: EfficientNetSpec, size: int) -> nn.Module:
    """Builds an EfficientNet of timm for crops of `size` pixels.

    Raises:
        ValueError: timm has no such EfficientNet, or it has no such stage.
    """
    net = efficientnet_body(spec.architecture, spec.classes)
    if spec.padded_for is not None:
        _fix_paddings(net, spec.padded_for, spec.stem_padding)
    if spec.attention_after is None:
        return net
    if spec.attention_after >= len(cast(nn.Sequential, net.blocks)):
        raise ValueError(f"network.attention_after: no stage {spec.attention_after}")
    return AttentiveEfficientNet(net, spec.attention_after)


def efficientnet_body(architecture: str, classes: int, pool: str = "avg") -> nn.Module:
    """Builds an EfficientNet of timm by name.

    Raises:
        ValueError: timm has no such EfficientNet.
    """
    if "efficientnet" not in architecture or not timm.is_model(architecture):
        raise ValueError(f"network.architecture: timm has no EfficientNet {architecture!r}")
    body: nn.Module = timm.create_model(
        architecture, pretrained=False, num_classes=classes, global_pool=pool
    )
    return body


def _channels_after(stage: nn.Module) -> int:
    last = [m for m in stage.modules() if isinstance(m, nn.Conv2d)][-1]
    return last.out_channels


def _fix_paddings(net: nn.Module, size: int, stem_padding: bool) -> None:
    """Replaces convolutions whose padding depends on the input by ones padded for `size`."""
    for name, conv in list(net.named_modules()):
        if not isinstance(conv, Conv2dSame):
            continue
        fixed = FixedPadConv2d(
            *(conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0]),
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        before, after = _same_padding(size, conv.kernel_size[0], conv.stride[0])
        fixed.fixed = (before, after, before, after)
        if name == "conv_stem" and not stem_padding:
            fixed.fixed = (0, 0, 0, 0)
        size = math.ceil(size / conv.stride[0])
        parent, _, attribute = name.rpartition(".")
        setattr(net.get_submodule(parent), attribute, fixed)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
