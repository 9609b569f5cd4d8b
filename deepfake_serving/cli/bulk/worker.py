"""A Ray actor that analyses chunks: it reads them, detects, and writes their tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from deepfake_serving.cli.bulk import reading
from deepfake_serving.cli.bulk.destination import Chunk, Destination
from deepfake_serving.cli.bulk.models import load_model
from deepfake_serving.cli.bulk.tables import (
    FACES,
    FILES,
    Row,
    Source,
    encode,
    image_rows,
    video_rows,
)
from deepfake_serving.cli.video import analyse_video, video_options
from deepfake_serving.contracts.problems import Problem

_ATTEMPTS = 4
"""Ray repeats the task of a worker that died, without end. A chunk that has ended so many
workers is given up and delays no other."""

Batch = dict[str, npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of every worker of a run."""

    out: str
    batch: int
    threads: int
    device: str | None
    sampling: str
    explain: bool = False


class ChunkWorker:
    """Holds one detector. Its state is in the destination only, so that it can be lost."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._destination = Destination(options.out)
        self._detector = load_model(self._destination, options.device, options.threads)

    def __call__(self, batch: Batch) -> Batch:
        """Analyses the chunks with the numbers in `chunk`; returns the count of files of each."""
        counts = [self._analyse(int(number)) for number in batch["chunk"]]
        return {"chunk": batch["chunk"], "files": np.array(counts)}

    def _analyse(self, number: int) -> int:
        self._destination.begin(number, _ATTEMPTS)
        chunk = self._destination.chunk(number)
        files, faces = self._video(chunk) if chunk.kind == "video" else self._images(chunk)
        self._destination.put_chunk(number, encode(files, FILES), encode(faces, FACES))
        return len(files)

    def _images(self, chunk: Chunk) -> tuple[list[Row], list[Row]]:
        files: list[Row] = []
        faces: list[Row] = []
        for batch in reading.batches(chunk.paths, self._options.batch, self._detector.max_bytes):
            contents = [content for _, content in batch]
            documents = self._detector.images(contents, explain=self._options.explain)
            for (source, _), document in zip(batch, documents, strict=True):
                file, found = image_rows(source, document)
                files.append(file)
                faces.extend(found)
        return files, faces

    def _video(self, chunk: Chunk) -> tuple[list[Row], list[Row]]:
        source = Source(chunk.paths[0])
        try:
            with reading.local_copy(source.path) as (path, source):
                options = video_options(self._options.sampling, "shots", shots=True)
                document = analyse_video(path, self._detector, options)
        except Problem as problem:
            document = problem.to_dict()
        file, tracks = video_rows(source, document)
        return [file], tracks
