"""Three crops scored by an imported network: proof that it runs, not that it is right."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from deepfake_serving.assets import WARMUP_IMAGE
from model_handlers.manifest import DecodeSpec, Manifest
from model_handlers.networks.classifier_network import ClassifierNetwork
from model_handlers.networks.inference import InferenceModule
from model_handlers.pipeline.crops.face import fit_face
from model_handlers.pipeline.decode import Pixels, decode


def score_crops(network: ClassifierNetwork, manifest: Manifest) -> list[float]:
    """Returns the fake probability of a portrait, of its mirror image and of its centre.

    Raises:
        ArithmeticError: a logit is not finite.
    """
    module: nn.Module = InferenceModule(network, manifest).eval()
    crops = torch.from_numpy(np.stack([fit_face(view, manifest.crop) for view in _views()]))
    with torch.inference_mode():
        logits = torch.cat([module(crop[None]) for crop in crops])
    if not torch.isfinite(logits).all():
        raise ArithmeticError("the network returned a logit that is not finite")
    return [round(float(p), 6) for p in logits.sigmoid()]


def _views() -> list[Pixels]:
    portrait = decode(WARMUP_IMAGE.read_bytes(), DecodeSpec())
    height, width = (side // 4 for side in portrait.shape[:2])
    return [portrait, portrait[:, ::-1], portrait[height:-height, width:-width]]
