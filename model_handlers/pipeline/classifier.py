"""Crops to probabilities: the network on its device, in its precision, one forward for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from model_handlers.manifest import Manifest, ManifestError
from model_handlers.pipeline.calibration import Floats, calibrate
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detail import detail
from model_handlers.pipeline.network import Network, build_network
from model_handlers.pipeline.reduction import reduction_of
from model_handlers.pipeline.stopwatch import Stopwatch

_FORWARD_AT_MOST = 256
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Classifier:
    """Judges face crops. Without weights the network is untrained, and the manifest says so."""

    def __init__(
        self,
        manifest: Manifest,
        weights: Network | Mapping[str, Tensor] | None,
        device: torch.device,
    ) -> None:
        network = weights if isinstance(weights, Network) else _loaded(manifest, weights)
        self.manifest, self.device = manifest, device
        self.dtype = _DTYPES[manifest.precision]
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.reduction = reduction_of(manifest, device)

    def classify(
        self, crops: Sequence[Pixels], face_px: Sequence[float], watch: Stopwatch
    ) -> Floats:
        """(size, size, 3) crops → calibrated probabilities (n,) that each face is fake.

        Args:
            face_px: longer sides (n,) of the faces, in pixels of the pictures they were cut from.
        """
        details = [detail(crop) for crop in crops]
        return self.probabilities(self.logits(crops, watch), face_px, details)

    def probabilities(
        self, logits: Floats, face_px: Sequence[float], details: Sequence[float]
    ) -> Floats:
        """Logits (n,) as `logits` gives them → calibrated probabilities (n,)."""
        return calibrate(logits, self.manifest.calibration, face_px, details)

    @torch.inference_mode()
    def logits(self, crops: Sequence[Pixels], watch: Stopwatch) -> Floats:
        """(size, size, 3) crops → logits (n,), the second look subtracted where there is one."""
        if not crops:
            return np.zeros(0)
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        chunks = torch.split(batch, _FORWARD_AT_MOST)
        return _finite(np.concatenate([self._looks(c.to(self.device), watch) for c in chunks]))

    def _looks(self, crops: Tensor, watch: Stopwatch) -> Floats:
        logits = self._logits(crops.float(), watch)
        reference = self.manifest.reference
        if reference is None or self.reduction is None:
            return logits
        with watch("noise"):
            fewer = self.reduction(crops.float())
        return logits - reference.weight * self._logits(fewer, watch)

    def _logits(self, crops: Tensor, watch: Stopwatch) -> Floats:
        """The residual is taken in fp32, which bf16's 8 bits would drown; the rest may be bf16."""
        with watch("noise"):
            planes = self.network.planes(crops)
            planes = planes.contiguous(memory_format=torch.channels_last)
            self._settle()
        with (
            watch("classify"),
            torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32),
        ):
            logits: Floats = self.network.judge(planes).double().cpu().numpy()
            return logits

    def _settle(self) -> None:
        """Waits for the GPU, so that a stage's time is its own."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _loaded(manifest: Manifest, weights: Mapping[str, Tensor] | None) -> Network:
    network = build_network(manifest)
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:  # missing, unexpected or misshapen tensors
            raise ManifestError(f"{manifest.name}: weights.file: {error}") from error
    return network


def _finite(logits: Floats) -> Floats:
    """NaN would compare as neither real nor fake and so pass for "suspicious"."""
    if not np.isfinite(logits).all():
        raise ArithmeticError("the network gave a logit that is no number: are its weights broken?")
    return logits
