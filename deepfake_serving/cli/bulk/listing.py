"""Writes a run's list of inputs once, so that every later part of the run has the same chunks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from deepfake_serving.cli.bulk.destination import CHUNKS_PER_PART, Chunk, Destination, RunInfo
from deepfake_serving.cli.bulk.inputs import kind_of, list_inputs, select
from deepfake_serving.contracts.problems import Conflict, InvalidRequest


def prepare(
    destination: Destination, wanted: RunInfo, model: Mapping[str, bytes], chunk: int
) -> RunInfo:
    """Returns the run in the destination, whose list and model are written first if it is new.

    Args:
        model: the objects that the workers load, by their names.
        chunk: images in a chunk.

    Raises:
        Conflict: the destination holds the results of another run.
        InvalidRequest: the source can't be listed, or has no image or video.
    """
    present = destination.run_info()
    if present is not None:
        if differences := present.differences(wanted):
            names = ", ".join(differences)
            raise Conflict(
                f"{destination.url} holds a run with another {names}: choose another --out"
            )
        return present
    if destination.done():
        raise Conflict(f"{destination.url} holds tables without a run.json: choose another --out")
    paths = select(list_inputs(wanted.source, wanted.column), wanted.sample, wanted.limit)
    info = _write(destination, wanted, _chunks(paths, chunk))
    if not info.files:
        raise InvalidRequest(f"{wanted.source} has no image and no video")
    destination.start(info, model)
    return info


def _write(destination: Destination, wanted: RunInfo, chunks: Iterable[Chunk]) -> RunInfo:
    files = count = part = 0
    pending: list[Chunk] = []
    for each in chunks:
        files, count = files + len(each.paths), count + 1
        pending.append(each)
        if len(pending) == CHUNKS_PER_PART:
            destination.put_list(part, pending)
            part, pending = part + 1, []
    if pending:
        destination.put_list(part, pending)
    return dataclasses.replace(wanted, chunks=count, files=files)


def _chunks(paths: Iterable[str], size: int) -> Iterator[Chunk]:
    """Yields chunks of `size` images, and of one video."""
    number, images = 0, list[str]()
    for path in paths:
        if kind_of(path) == "video":
            yield Chunk(number, "video", [path])
            number += 1
            continue
        images.append(path)
        if len(images) == size:
            yield Chunk(number, "image", images)
            number, images = number + 1, []
    if images:
        yield Chunk(number, "image", images)
