"""The manifest of a model that embeds faces, as `deepfake-serving import` writes it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from deepfake_serving.contracts.reasons import reason_of


class PersonModelError(ValueError):
    """A model that can't be used; the message names the file and the reason."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WeightsSpec(_Part):
    """The ONNX file beside the manifest, and whose it is."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    source: str


class PersonModel(_Part):
    """A network from the crop of a face to a vector, whose direction is that of the person.

    Attributes:
        size: side of the crop in pixels.
        margin: the crop's side, in longer sides of the face's box.
        mean, std: of each colour, in 0..255, in the network's order.
        similarity: the cosine from which two faces are of one person.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    weights: WeightsSpec
    size: int = Field(ge=16, le=1024)
    margin: float = Field(1.2, ge=1.0, le=1.6)
    colour_order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[Annotated[float, Field(gt=0)], ...] = Field((127.5,) * 3, min_length=3, max_length=3)
    similarity: float = Field(0.8, gt=0, lt=1)


def read_person_model(path: Path) -> tuple[PersonModel, bytes]:
    """Reads a manifest, and the ONNX file that it names; checks its digest.

    Raises:
        PersonModelError
    """
    try:
        model = PersonModel.model_validate(yaml.safe_load(path.read_bytes()))
        network = (path.parent / model.weights.file).read_bytes()
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PersonModelError(f"{path}: {reason_of(error)}") from error
    if (digest := hashlib.sha256(network).hexdigest()) != model.weights.sha256:
        raise PersonModelError(f"{path}: {model.weights.file} has the sha256 {digest}")
    return model, network
