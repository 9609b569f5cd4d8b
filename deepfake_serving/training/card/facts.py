"""What no program can measure and the card says anyway: `config/training/data-card.yaml`, typed."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Spec):
    """Material and the licence it came under."""

    what: str
    licence: str


class Development(_Spec):
    """Material that choices were made by. `media` is the name of its folder: an evaluation of a
    folder of that name gets the `caution`."""

    media: str
    what: str
    licence: str
    use: str
    caution: str


class Failure(_Spec):
    """Something that the model fails on, and which measured figures show it, if any do."""

    what: str
    why: str
    face_size: str | None = None
    disturbances: tuple[str, ...] = ()


class Published(_Spec):
    """AUC of another model by data set, in per cent, as its source states it."""

    model: str
    figures: dict[str, float]
    counted: str
    source: str


class Facts(_Spec):
    """All of the file."""

    intended: tuple[str, ...]
    not_intended: tuple[str, ...]
    training_data_summary: str
    training_data: tuple[Source, ...]
    fakes: str
    development: Development
    fails: tuple[Failure, ...]
    published: tuple[Published, ...]
    not_comparable: str


def read_facts(path: Path) -> Facts:
    """Reads the file; raises `ValueError` naming the field and the reason."""
    try:
        return Facts.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error
