"""GenConViT: two networks that compare a face with its reconstruction, by ConvNeXt.

Deressa et al., "Deepfake Video Detection Using Generative Convolutional Vision Transformer"
(arXiv:2307.07036); ConvNeXt: Liu et al. 2022 (arXiv:2201.03545). One reconstructs by an
autoencoder, the other by a variational one; both classify image and reconstruction together. The
published code also builds a Swin transformer, as an attribute that ConvNeXt never calls, so it is
not here. It samples the latent variables in inference too; here they are their means, so that a
face has one score.
"""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from model_handlers.network_specs import GenConViTSpec

_WIDTHS = (16, 32, 64, 128, 256)
_CLASSES = 2
_FEATURES = 1000
"""Outputs of ConvNeXt: the classes of ImageNet."""


class AutoEncoder(nn.Module):
    """Five halvings and five doublings: (n, 3, s, s) → the same."""

    def __init__(self) -> None:
        super().__init__()
        down, up = (3, *_WIDTHS), (*_WIDTHS[::-1], 3)
        self.encoder = nn.Sequential(
            *(
                layer
                for i in range(5)
                for layer in (nn.Conv2d(down[i], down[i + 1], 3, padding=1), nn.ReLU(), _halve())
            )
        )
        self.decoder = nn.Sequential(
            *(layer for i in range(5) for layer in (_double(up[i], up[i + 1]), nn.ReLU()))
        )

    def forward(self, x: Tensor) -> Tensor:
        reconstruction: Tensor = self.decoder(self.encoder(x))
        return reconstruction


class VariationalAutoEncoder(nn.Module):
    """Four halvings, a linear layer to the latent means, four doublings.

    Shapes:
        input: (n, 3, s, s); output: (n, 3, s / 2, s / 2).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        down, up = (3, *_WIDTHS[:4]), (_WIDTHS[4], 64, 32, 16, 3)
        self.encoder = nn.Sequential(
            *(
                layer
                for i in range(4)
                for layer in (
                    nn.Conv2d(down[i], down[i + 1], 3, stride=2, padding=1),
                    nn.BatchNorm2d(down[i + 1]),
                    nn.LeakyReLU(),
                )
            )
        )
        self.latent = (_WIDTHS[4], size // 32, size // 32)
        self.mu = nn.Linear(_WIDTHS[3] * (size // 16) ** 2, _WIDTHS[4] * (size // 32) ** 2)
        self.decoder = nn.Sequential(
            *(layer for i in range(4) for layer in (_double(up[i], up[i + 1]), nn.LeakyReLU()))
        )

    def forward(self, x: Tensor) -> Tensor:
        means = self.mu(self.encoder(x).flatten(1))
        reconstruction: Tensor = self.decoder(means.unflatten(1, self.latent))
        return reconstruction


class Comparison(nn.Module):
    """ConvNeXt of an image and of its reconstruction, and two linear layers: (n, 2)."""

    def __init__(self, architecture: str, generator: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.generator, self.activation = generator, activation
        self.backbone = timm.create_model(architecture, pretrained=False, num_classes=_FEATURES)
        self.fc = nn.Linear(2 * _FEATURES, _FEATURES // 2)
        self.fc2 = nn.Linear(_FEATURES // 2, _CLASSES)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns ConvNeXt's outputs (n, 1000) for the image and for its reconstruction."""
        return self.backbone(x), self.backbone(self.generator(x))

    def classify(self, first: Tensor, second: Tensor) -> Tensor:
        hidden = self.fc(self.activation(torch.cat([first, second], dim=1)))
        outputs: Tensor = self.fc2(self.activation(hidden))
        return outputs


class AutoEncoded(Comparison):
    """GenConViT's network A; the reconstruction's features come first."""

    def __init__(self, architecture: str) -> None:
        super().__init__(architecture, AutoEncoder(), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        image, reconstruction = self.features(x)
        return self.classify(reconstruction, image)


class Variational(Comparison):
    """GenConViT's network B; the image's features come first."""

    def __init__(self, architecture: str, size: int) -> None:
        super().__init__(architecture, VariationalAutoEncoder(size), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(*self.features(x))


class GenConViT(nn.Module):
    """One of the networks, or both.

    Shapes:
        input: (n, 3, s, s); output: (n, 2), the logits of the mean of both networks'
        probabilities, each a sigmoid of its own.
    """

    def __init__(self, spec: GenConViTSpec, size: int) -> None:
        super().__init__()
        self.networks = nn.ModuleDict()
        if spec.networks in ("ed", "both"):
            self.networks["ed"] = AutoEncoded(spec.architecture)
        if spec.networks in ("vae", "both"):
            self.networks["vae"] = Variational(spec.architecture, size)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [network(x) for network in self.networks.values()]
        return outputs[0] if len(outputs) == 1 else mean_logit(torch.stack(outputs))


def mean_logit(logits: Tensor) -> Tensor:
    """Returns the logit of the mean probability of logits (networks, …), exact at its ends too."""
    log_mean, log_rest = ((-softplus(-x)).logsumexp(dim=0) for x in (logits, -logits))
    return log_mean - log_rest


def build_genconvit(spec: GenConViTSpec, size: int) -> nn.Module:
    """Builds GenConViT for crops of `size` pixels, which fixes the number of latent variables.

    Raises:
        ValueError: timm has no such ConvNeXt, or `size` is no multiple of 32.
    """
    if "convnext" not in spec.architecture or not timm.is_model(spec.architecture):
        raise ValueError(f"network.architecture: timm has no ConvNeXt {spec.architecture!r}")
    if size % 32:
        raise ValueError(f"crop.size: GenConViT needs a multiple of 32, not {size}")
    return GenConViT(spec, size)


def _halve() -> nn.Module:
    return nn.MaxPool2d(2)


def _double(channels: int, out: int) -> nn.Module:
    return nn.ConvTranspose2d(channels, out, 2, stride=2)
