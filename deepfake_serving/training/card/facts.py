"""Facts for the card that can't be measured: `config/training/data-card.yaml`, typed."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from deepfake_serving.contracts.reasons import reason_of
from deepfake_serving.training.config.base import StrictModel


class Source(StrictModel):
    """Training data and its licence."""

    what: str
    licence: str


class Development(StrictModel):
    """Data used for selection. Evaluations of a folder named `media` get the `caution`."""

    media: str
    what: str
    licence: str
    use: str
    caution: str


class Failure(StrictModel):
    """A known failure, and the subgroup or corruptions whose metrics show it, if any."""

    what: str
    why: str
    face_size: str | None = None
    corruptions: tuple[str, ...] = ()


class Published(StrictModel):
    """AUC of another model by data set, in per cent, as published."""

    model: str
    figures: dict[str, float]
    counted: str
    source: str


class Facts(StrictModel):
    """The whole file."""

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
    """Reads the file.

    Raises:
        ValueError: a field is unknown, missing or malformed; the message names it.
    """
    try:
        return Facts.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"{path}: {reason_of(error)}") from error
