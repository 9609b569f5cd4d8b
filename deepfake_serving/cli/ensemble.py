"""The detector of `detect` and `video`: a model, or an ensemble whose members run in turn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_serving.cli.bundled import bundled_archive
from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import ImageVerdict, ModelRef
from deepfake_serving.ensembles.spec import FOLDER, EnsembleSpec, find_ensemble
from deepfake_serving.ensembles.verdicts import MemberResult, ensemble_verdict, faces_of
from deepfake_serving.runtime.serialization import from_plain
from model_handlers.given_faces import parse_faces
from model_handlers.items import Item, Options
from model_handlers.pipeline.tasks import Outcome


def open_detector(model: str, archive: Path | None, threads: int = 0) -> LocalDetector:
    """Loads an archive, else an ensemble of this name or file, else a model of this name.

    Raises:
        ManifestError, EnsembleError: it can't be used.
    """
    archives = archives_of(model, archive)
    spec = None if archive is not None else ensemble_of(model)
    if spec is not None:
        return LocalEnsemble(spec, archives, threads=threads)
    return LocalDetector(archives[model], threads=threads)


def archives_of(model: str, archive: Path | None) -> dict[str, Path]:
    """Returns the archives of a model, or of an ensemble's members, packed where necessary.

    Raises:
        EnsembleError: the file of the ensemble is wrong.
    """
    if archive is not None:
        return {model: archive}
    spec = ensemble_of(model)
    return {name: bundled_archive(name) for name in ([model] if spec is None else spec.archives)}


def ensemble_of(model: str) -> EnsembleSpec | None:
    """Returns the ensemble of this name or file; None if the name is that of a model.

    Raises:
        EnsembleError: its file is wrong.
    """
    if model.endswith((".yaml", ".yml")) or (FOLDER / f"{model}.yaml").is_file():
        return find_ensemble(model)
    return None


class LocalEnsemble(LocalDetector):
    """An ensemble whose members are loaded in this process."""

    def __init__(
        self,
        spec: EnsembleSpec,
        archives: Mapping[str, Path],
        device: str | None = None,
        threads: int = 0,
    ) -> None:
        """Loads the members. The first one finds the faces, unless the ensemble names a model."""
        self._spec = spec
        self._members = {
            name: LocalDetector(archives[name], device, threads) for name in spec.archives
        }
        self._finder = next(iter(self._members.values()))
        self._task = self._finder._task
        refs = [self._members[name].model for name in spec.models]
        digest = spec.digest({ref.name: ref.digest for ref in refs})
        trained = all(ref.trained for ref in refs)
        self.model = ModelRef(spec.name, spec.version, digest, trained)
        self.thresholds = spec.thresholds

    def run(self, items: list[Item], options: Sequence[Options] | None = None) -> list[Outcome]:
        """Returns the ensemble's verdict or a problem for each item."""
        exact = [dataclasses.replace(o, full_precision=True) for o in options or _none(items)]
        found = [_plain(outcome) for outcome in self._finder.run(items, exact)]
        faces = [[] if isinstance(each, Problem) else faces_of(each) for each in found]
        given = [
            dataclasses.replace(option, faces=each)
            for option, each in zip(exact, parse_faces(faces, len(items)), strict=True)
        ]
        results = {
            name: found if member is self._finder else list(map(_plain, member.run(items, given)))
            for name, member in self._members.items()
            if name in self._spec.models
        }
        return [
            each if isinstance(each, Problem) else self._verdict(each, results, number)
            for number, each in enumerate(found)
        ]

    def _verdict(
        self, found: dict[str, Any], results: dict[str, list[MemberResult]], number: int
    ) -> Outcome:
        members = {name: each[number] for name, each in results.items()}
        try:
            verdict = ensemble_verdict(self._spec, self.model, found, members)
        except Problem as problem:
            return problem
        return from_plain(ImageVerdict, verdict)


def _none(items: Sequence[Item]) -> list[Options]:
    return [Options()] * len(items)


def _plain(outcome: Outcome) -> MemberResult:
    return outcome if isinstance(outcome, Problem) else dataclasses.asdict(outcome)
