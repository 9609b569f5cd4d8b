"""The augmentation of a mixture, a part of its settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from deepfake_serving.training.config.base import StrictModel

Chance = Annotated[float, Field(ge=0, le=1)]


class AugmentationConfig(StrictModel):
    """Chances and ranges of the augmentation of both classes; the defaults are strong.

    Strong augmentation teaches what survives on the web, weak augmentation the finest traces.
    """

    codecs: tuple[Chance, Chance, Chance, Chance] = Field(
        default=(0.15, 0.45, 0.27, 0.13), description="chances of zero to three codecs in a row"
    )
    codec_kinds: tuple[Chance, Chance, Chance] = Field(
        default=(0.5, 0.15, 0.35), description="chances of JPEG, WebP and H.264"
    )
    jpeg: tuple[int, int] = Field(default=(30, 96), description="qualities, mostly high")
    webp: tuple[int, int] = (30, 96)
    crf: tuple[int, int] = Field(default=(18, 41), description="H.264's, maximum excluded")
    faces_px: tuple[float, float] = Field(default=(64.0, 330.0), description="sides of faces")
    blur: Chance = 0.13
    grain: Chance = 0.4
    reenlarge: Chance = 0.12
    beautify: Chance = 0.08
    sharpen: Chance = 0.1

    @model_validator(mode="after")
    def _check_sums(self) -> AugmentationConfig:
        for name in ("codecs", "codec_kinds"):
            if abs(sum(getattr(self, name)) - 1) > 1e-6:
                raise ValueError(f"`{name}` must add up to 1")
        return self
