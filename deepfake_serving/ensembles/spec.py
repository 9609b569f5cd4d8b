"""The file of an ensemble, `config/ensembles/<name>.yaml`: its members and how they combine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from deepfake_serving import assets
from deepfake_serving.contracts.models import ModelCard, Thresholds
from deepfake_serving.contracts.reasons import reason_of

FOLDER = assets.CONFIG / "ensembles"
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Combination = Literal["mean", "weighted", "logit_mean", "max"]


class EnsembleError(ValueError):
    """An ensemble that can't be used; the message names the file and the reason."""


class _Spec(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )


class MemberSpec(_Spec):
    """A model that scores faces: a served detector or classifier, whichever pool has it."""

    model: Name
    weight: float = Field(default=1.0, gt=0, description="of `weighted` and `logit_mean`")
    kind: str | None = Field(
        default=None, description="of `deepfake-serving import`, which brings its weights"
    )


class CalibrationSpec(_Spec):
    """Platt scaling (Platt 1999) of the combined log odds: sigmoid(slope * x + intercept)."""

    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0


class EnsembleSpec(_Spec):
    """An ensemble.

    The faces of an image are found once: by the model `faces`, else by the first member that is a
    detector and responds. All members score them side by side. Members that are late, down or
    refuse are left out, as long as `min_answers` of them have scored.
    """

    name: Name
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+(\.[0-9]+)?$")
    members: tuple[MemberSpec, ...] = Field(min_length=1, max_length=16)
    faces: Name | None = None
    min_members: int = Field(default=1, ge=1, alias="min_answers")
    combination: Combination = "mean"
    timeout_s: float = Field(default=10.0, gt=0, le=600, description="of one member")
    calibration: CalibrationSpec = CalibrationSpec()
    thresholds: Thresholds = Thresholds()
    card: ModelCard | None = None

    @model_validator(mode="after")
    def _members_suffice(self) -> EnsembleSpec:
        names = self.models
        if len(set(names)) != len(names) or self.name in names:
            raise ValueError("two members have the same name, or that of the ensemble")
        if self.min_members > len(names):
            raise ValueError(f"min_answers is {self.min_members}, but there are {len(names)}")
        return self

    @property
    def models(self) -> list[str]:
        """The names of the members."""
        return [member.model for member in self.members]

    @property
    def archives(self) -> list[str]:
        """The names of all models that are needed, that which finds the faces first."""
        return list(dict.fromkeys([*([self.faces] if self.faces else []), *self.models]))

    def digest(self, members: dict[str, str | None]) -> str:
        """Returns the digest of the ensemble with its members' archives."""
        content = f"{self.model_dump_json()}\n{sorted(members.items())}"
        return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def find_ensemble(name: str) -> EnsembleSpec:
    """Returns a shipped ensemble by its name, or another by the path of its file.

    Raises:
        EnsembleError: there is none, or it is wrong.
    """
    shipped = FOLDER / f"{name}.yaml"
    path = shipped if shipped.is_file() and "/" not in name else Path(name)
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
        raise EnsembleError(f"there is no ensemble {name!r}: name a file, or one of {known}")
    return read_ensemble(path)


def read_ensemble(path: Path) -> EnsembleSpec:
    """Reads and checks a file.

    Raises:
        EnsembleError
    """
    try:
        return EnsembleSpec.model_validate(yaml.safe_load(path.read_bytes()))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise EnsembleError(f"{path}: {reason_of(error)}") from error
