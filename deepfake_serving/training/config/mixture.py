"""The mixture of packed sources of a training run, a part of its settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from deepfake_serving.training.config.augmentation import AugmentationConfig
from deepfake_serving.training.config.base import StrictModel

Mode = Literal["pairs", "classes", "blends"]


class SourceConfig(StrictModel):
    """A source of a real and a fake face of the same origin.

    `pairs`: a fake and the real image that it was made from. `classes`: a real and a fake of
    different people, processed equally. `blends`: a real, and a blend that is generated from it.
    """

    mode: Mode
    share: float = Field(gt=0, description="share of the pairs, relative to other sources")
    reals: dict[str, float] = Field(description="relative frequencies of the packs of reals")
    fakes: dict[str, float] = Field(default={}, description="the same of the fakes; `classes` only")
    requality: tuple[int, int] | None = Field(
        default=None,
        description="JPEG qualities of a first compression, if classes differ in quality",
    )
    tighten: float = Field(
        default=0,
        ge=0,
        le=1,
        description="probability of a tighter crop, if classes differ in their crops",
    )

    @model_validator(mode="after")
    def _check_fakes(self) -> SourceConfig:
        if (self.mode == "classes") != bool(self.fakes):
            raise ValueError("`fakes` must be set for mode `classes`, and only for it")
        return self


class MixtureConfig(StrictModel):
    """Sources, and the cropping of faces.

    With a `window` below the size of the crops, the network is trained on random windows, which is
    faster (compare FixRes, Touvron et al. 2019, arXiv:1906.06423).
    """

    sources: dict[str, SourceConfig]
    augmentation: AugmentationConfig = AugmentationConfig()
    pairs_per_epoch: int = Field(default=3200, ge=1)
    margins: tuple[float, float] = (1.1, 1.4)
    sizes: tuple[int, int] = Field(
        default=(224, 224), description="sides of crops in training, minimum and maximum"
    )
    window: int = Field(default=224, ge=64, multiple_of=32)
    windows: int = Field(
        default=1, ge=1, description="windows per pair, if generating pairs is slow"
    )
    self_share: float = Field(default=0.5, ge=0, le=1, description="share of self-blends")
    foreign_share: float = Field(
        default=0.3, ge=0, le=1, description="share of the other blends with donors of any pack"
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> MixtureConfig:
        if not self.window <= self.sizes[0] <= self.sizes[1]:
            raise ValueError(
                "`window` must fit into the smallest of `sizes`, and `sizes` must not decrease"
            )
        return self


def without(mixture: MixtureConfig, pack: str) -> MixtureConfig:
    """Returns the mixture without a pack (leave one source out).

    Raises:
        ValueError: no source draws from it, or nothing is left.
    """
    used = [source for source in mixture.sources.values() if pack in {*source.reals, *source.fakes}]
    if not used:
        raise ValueError(f"no source draws from {pack!r}")
    kept = {name: _less(source, pack) for name, source in mixture.sources.items()}
    sources = {name: source for name, source in kept.items() if source is not None}
    if not sources:
        raise ValueError(f"nothing is left without {pack!r}")
    return mixture.model_copy(update={"sources": sources})


def _less(source: SourceConfig, pack: str) -> SourceConfig | None:
    """Returns the source without a pack; None if nothing is left of it."""
    reals, fakes = (
        {name: weight for name, weight in packs.items() if name != pack}
        for packs in (source.reals, source.fakes)
    )
    if not reals or bool(source.fakes) != bool(fakes):
        return None
    return source.model_copy(update={"reals": reals, "fakes": fakes})
