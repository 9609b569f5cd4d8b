"""Analyses image files in this process, in batches and in order."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepfake_serving.cli.evidence.annotate import Annotator
from deepfake_serving.cli.evidence.provenance import add_provenance
from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge
from deepfake_serving.packaging.archive import open_archive
from deepfake_serving.provenance.reader import ProvenanceReader
from deepfake_serving.runtime.scratch.workspaces import tidy_workspace
from model_handlers.handler import run_isolated
from model_handlers.items import Item, Options
from model_handlers.loading import Runtime, load_task
from model_handlers.manifest import ManifestError
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import Outcome

_UNPACKED = "deepfake-detector-"
"""Prefix of the folders that hold an archive's files while they are loaded."""


class LocalDetector:
    """A detector loaded from its archive, of which no file is needed afterwards."""

    def __init__(self, archive: Path, device: str | None = None, threads: int = 0) -> None:
        """Loads the archive.

        Args:
            archive: a `.mar` file.
            device: overrides the manifest's.
            threads: of the network and OpenCV; 0 leaves the choice to them.

        Raises:
            ManifestError: it is no usable archive of a detector.
        """
        opened = open_archive(archive)
        if opened.manifest.task != "detector":
            raise ManifestError(f"{archive}: holds a {opened.manifest.task}, not a detector")
        runtime = Runtime(
            device=device, threads=threads, digests={opened.manifest.name: opened.digest}
        )
        with tidy_workspace(_UNPACKED) as folder:
            with zipfile.ZipFile(archive) as files:
                files.extractall(folder)
            self._task = load_task(folder, runtime)
        self.model = self._task.model
        labels = opened.manifest.thresholds
        self.thresholds = Thresholds(labels.suspicious_from, labels.fake_above)

    @property
    def max_bytes(self) -> int:
        """The limit of an image's size."""
        return self._task.manifest.decode.max_bytes

    def documents(
        self,
        images: Sequence[Path],
        batch: int,
        annotator: Annotator | None = None,
        *,
        explain: bool = False,
        provenance: ProvenanceReader | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yields a document per image, in order: its verdict or its problem, and `file`.

        Args:
            annotator: draws each verdict; None: none is drawn.
            explain: whether faces get a heatmap.
            provenance: reads the provenance of the images; None: it is not read.
        """
        for start in range(0, len(images), batch):
            paths = images[start : start + batch]
            contents = [self._read(path) for path in paths]
            outcomes = self._detect(contents, explain)
            if provenance is not None:
                outcomes = add_provenance(outcomes, contents, provenance)
            for path, data, outcome in zip(paths, contents, outcomes, strict=True):
                if annotator is not None and isinstance(data, bytes):
                    annotator.draw(path, data, outcome, self._task.manifest.decode)
                yield {"file": _name(path)} | _document(outcome)

    def images(
        self, contents: Sequence[bytes | Problem], *, explain: bool = False
    ) -> list[dict[str, Any]]:
        """Returns a verdict or a problem for each encoded image, in order.

        A problem among the contents, of an image that could not be read, is returned as it is.
        """
        return [_document(outcome) for outcome in self._detect(contents, explain)]

    def frames(
        self, frames: Sequence[Pixels], *, explain: bool = False
    ) -> list[dict[str, Any] | Problem]:
        """Returns a verdict or a problem for each uint8 (h, w, 3) RGB frame of a video."""
        options = Options(follow=True, explain=explain)
        outcomes = self.run(list(frames), [options] * len(frames))
        return [o if isinstance(o, Problem) else _document(o) for o in outcomes]

    def _detect(self, contents: Sequence[bytes | Problem], explain: bool = False) -> list[Outcome]:
        images: list[Item] = [data for data in contents if isinstance(data, bytes)]
        outcomes = iter(self.run(images, [Options(explain=explain)] * len(images)))
        return [data if isinstance(data, Problem) else next(outcomes) for data in contents]

    def run(self, items: list[Item], options: Sequence[Options] | None = None) -> list[Outcome]:
        """Returns a verdict or a problem for each encoded image or array of pixels."""
        watch = Stopwatch()
        each = list(options or [Options()] * len(items))
        outcomes = run_isolated(self._task, items, each, watch)
        timings = watch.milliseconds()
        return [_timed(outcome, timings) for outcome in outcomes]

    def _read(self, path: Path) -> bytes | Problem:
        """Returns the file's bytes; reads no more than the limit."""
        limit = self.max_bytes
        try:
            with path.open("rb") as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            return InvalidRequest(f"the file can't be read: {error.strerror}")
        if len(data) > limit:
            return TooLarge(f"the image has more than the limit of {limit} bytes")
        return data


def _name(path: Path) -> str:
    """Returns a printable name; bytes that are not UTF-8 appear as `\\xff`."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _timed(outcome: Outcome, timings: dict[str, float]) -> Outcome:
    if isinstance(outcome, Problem):
        return outcome
    return dataclasses.replace(outcome, timings_ms=timings)


def _document(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return outcome.to_dict()
    return dataclasses.asdict(outcome)
