"""Which sources a training draws from, and how often; typed, part of the training file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from deepfake_serving.training.config.base import StrictModel

Mode = Literal["pairs", "classes", "blends"]


class SourceConfig(StrictModel):
    """One way to get a real and a fake face of the same making.

    `pairs`: a fake and the real image that it was made of. `classes`: a real and a fake of
    different people, prepared alike. `blends`: a real, and a blend made of it now.
    """

    mode: Mode
    share: float = Field(gt=0, description="relative to the other sources'")
    reals: dict[str, float] = Field(description="packs and how often each is drawn from")
    fakes: dict[str, float] = Field(default={}, description="packs of the fakes; `classes` only")
    requality: tuple[int, int] | None = Field(
        default=None, description="JPEG qualities that both go through first, where files differ"
    )
    tighten: float = Field(
        default=0, ge=0, le=1, description="how often surroundings are cut off, where they differ"
    )

    @model_validator(mode="after")
    def _fakes_of_their_own(self) -> SourceConfig:
        if (self.mode == "classes") != bool(self.fakes):
            raise ValueError("`fakes` belongs to mode `classes`, and only there")
        return self


class MixtureConfig(StrictModel):
    """Sources and how a face becomes a crop.

    With a `window` below a crop's size, random windows of that many pixels are learnt from, for the
    speed of it (compare FixRes, Touvron et al. 2019, arXiv:1906.06423).
    """

    sources: dict[str, SourceConfig]
    pairs_per_epoch: int = Field(default=3200, ge=1)
    margins: tuple[float, float] = (1.1, 1.4)
    sizes: tuple[int, int] = Field(
        default=(224, 224), description="sides of crops; the service's are the manifest's"
    )
    window: int = Field(default=224, ge=64, multiple_of=32)
    windows: int = Field(default=1, ge=1, description="of a pair, where making pairs takes long")
    self_share: float = Field(default=0.5, ge=0, le=1, description="of the blends")
    foreign_share: float = Field(
        default=0.3, ge=0, le=1, description="of the other blends: donors of another source"
    )

    @model_validator(mode="after")
    def _windows_fit(self) -> MixtureConfig:
        if not self.window <= self.sizes[0] <= self.sizes[1]:
            raise ValueError("`window` must fit into the smallest of `sizes`, `sizes` must rise")
        return self


def without(mixture: MixtureConfig, pack: str) -> MixtureConfig:
    """The mixture as if there were no such pack: leave one source out, to see what others teach.

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
    """None where the source can't do without it."""
    reals, fakes = (
        {name: weight for name, weight in packs.items() if name != pack}
        for packs in (source.reals, source.fakes)
    )
    if not reals or bool(source.fakes) != bool(fakes):
        return None
    return source.model_copy(update={"reals": reals, "fakes": fakes})
