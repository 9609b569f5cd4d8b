"""The model of a run: an archive or an ensemble, kept in the destination for the workers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from deepfake_serving.cli.bulk.destination import Destination
from deepfake_serving.cli.bundled import bundled_archive
from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.cli.ensemble import LocalEnsemble, ensemble_of
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.packaging.archive import open_archive
from deepfake_serving.runtime.scratch.workspaces import tidy_workspace

_ARCHIVE = "model.mar"
_ENSEMBLE = "ensemble.json"
_COPIES = "deepfake-bulk-"
"""Prefix of the folders that hold a worker's archives while they are loaded."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunModel:
    """A model, and the objects that its workers load: `model.mar`, or `ensemble.json` and
    `members/<name>.mar`."""

    name: str
    digest: str
    trained: bool
    objects: dict[str, bytes]


def find_model(model: str, archive: Path | None) -> RunModel:
    """Returns an archive, else an ensemble of this name or file, else a model of this name.

    Raises:
        ManifestError, EnsembleError: it can't be used.
    """
    spec = None if archive is not None else ensemble_of(model)
    if spec is not None:
        return _ensemble(spec)
    path = archive or bundled_archive(model)
    opened = open_archive(path)
    manifest = opened.manifest
    return RunModel(manifest.name, opened.digest, manifest.trained, {_ARCHIVE: path.read_bytes()})


def load_model(destination: Destination, device: str | None, threads: int) -> LocalDetector:
    """Loads the model of the run in a destination."""
    with tidy_workspace(_COPIES) as folder:
        try:
            spec = EnsembleSpec.model_validate_json(destination.get(_ENSEMBLE))
        except FileNotFoundError:
            path = _copy(destination, _ARCHIVE, folder)
            return LocalDetector(path, device, threads)
        archives = {name: _copy(destination, _member(name), folder) for name in spec.archives}
        return LocalEnsemble(spec, archives, device, threads)


def _ensemble(spec: EnsembleSpec) -> RunModel:
    paths = {name: bundled_archive(name) for name in spec.archives}
    opened = {name: open_archive(path) for name, path in paths.items()}
    scoring = [opened[name] for name in spec.models]
    digest = spec.digest({each.manifest.name: each.digest for each in scoring})
    trained = all(each.manifest.trained for each in scoring)
    objects = {_member(name): path.read_bytes() for name, path in paths.items()}
    spec_json = spec.model_dump_json(by_alias=True).encode()
    return RunModel(spec.name, digest, trained, objects | {_ENSEMBLE: spec_json})


def _member(name: str) -> str:
    return f"members/{name}.mar"


def _copy(destination: Destination, name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    path.write_bytes(destination.get(name))
    return path
