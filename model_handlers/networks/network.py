"""The network: RGB and noise planes → EfficientNet → heads → one logit per crop."""

from __future__ import annotations

import torch
from torch import Tensor

from model_handlers.manifest import Manifest, ManifestError
from model_handlers.networks.classifier_network import ClassifierNetwork
from model_handlers.networks.contributions import added_odds
from model_handlers.networks.encoder import build_encoder, stage_features, stage_maps
from model_handlers.networks.head import CNNHead, SynthesisHead
from model_handlers.networks.srm import SRM


class Network(ClassifierNetwork):
    """The network that this project trains."""

    explainable = True
    mean: Tensor
    std: Tensor

    def __init__(self, manifest: Manifest) -> None:
        super().__init__()
        noise = manifest.noise
        self.rgb = noise.input != "noise"
        self.srm = SRM(noise) if noise.input != "rgb" else None
        channels = 3 * self.rgb + (3 * len(noise.kernels) if self.srm is not None else 0)
        self.encoder, features = build_encoder(manifest.encoder, channels)
        self.head = CNNHead(manifest.head, features)
        self.synthesis = (
            SynthesisHead(stage_features(self.encoder)) if manifest.head.synthesis else None
        )
        for name in ("mean", "std"):
            values = torch.tensor(getattr(manifest.encoder, name)).view(1, 3, 1, 1) * 255
            self.register_buffer(name, values, persistent=False)

    def planes(self, crops: Tensor) -> Tensor:
        """(n, 3, s, s) RGB in 0..255 → (n, channels, s, s): normalised RGB, then residuals."""
        parts = [(crops - self.mean) / self.std] if self.rgb else []
        if self.srm is not None:
            parts.append(self.srm(crops))
        return torch.cat(parts, dim=1)

    def classify(self, planes: Tensor) -> Tensor:
        """Returns logits (n,) of planes (n, channels, s, s)."""
        if self.synthesis is None:
            logits: Tensor = self.head(self.encoder(planes))
            return logits
        features, stages = stage_maps(self.encoder, planes)
        return torch.logaddexp(self.head(features), self.synthesis(stages))  # adds the odds

    def explain(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (n,) and contributions (n, s/32, s/32)."""
        if self.synthesis is None:
            return self.head.explain(self.encoder(planes))
        features, stages = stage_maps(self.encoder, planes)
        logits, maps = self.head.explain(features)
        others, other_maps = self.synthesis.explain(stages)
        return torch.logaddexp(logits, others), added_odds(logits, maps, others, other_maps)


def build_network(manifest: Manifest, seed: int = 0) -> Network:
    """Builds an untrained network in evaluation mode, deterministic for a seed.

    Raises:
        ManifestError: the manifest has a named network, which this project does not train.
    """
    if manifest.network is not None:
        raise ManifestError(f"{manifest.name}: network: named networks can't be trained here")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(manifest)
    return network.eval()
