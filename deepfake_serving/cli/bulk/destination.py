"""The folder, or prefix of a bucket, that holds the list of inputs of a run and its tables.

    run.json                          the options of the run; written once the list is complete
    model.mar                         the archive that the workers load; of an ensemble
    ensemble.json, members/           the ensemble and the archives of its members
    inputs/part-000000.parquet        the list, a row per chunk
    attempts/00000000/0               a start of a chunk that is not done; removed with the next run
    faces/part-00000000.parquet       a chunk's faces
    files/part-00000000.parquet       a chunk's files, written last: it marks the chunk as done

The files of a chunk have the same names each time that they are written. So a chunk that is
analysed twice, after a lost node, is in the result once.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from deepfake_serving.cli.bulk.stores import folder, is_remote, locate
from deepfake_serving.contracts.problems import Conflict, NotFound

CHUNKS_PER_PART = 1024
LIST = pa.schema([("chunk", pa.int64()), ("kind", pa.string()), ("paths", pa.list_(pa.binary()))])
_RUN = "run.json"
_PART = re.compile(r"files/part-(\d{8})\.parquet")


@dataclasses.dataclass(frozen=True, slots=True)
class RunInfo:
    """The options of a run, and how many chunks and files its list has."""

    source: str
    column: str | None
    sample: float
    limit: int | None
    sampling: str
    model: str
    model_digest: str | None
    explain: bool = False
    chunks: int = 0
    files: int = 0

    def differences(self, other: RunInfo) -> list[str]:
        """Returns the names of the options in which two runs differ."""
        names = ("source", "column", "sample", "limit", "sampling", "model_digest", "explain")
        return [name for name in names if getattr(self, name) != getattr(other, name)]


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """Files that one worker analyses together: images, or one video."""

    number: int
    kind: str
    paths: list[str]


class Destination:
    """A folder, or a prefix of a bucket as `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        """Creates the folder where there is none.

        Raises:
            OSError: it can't be created.
        """
        self.url = url if is_remote(url) else str(Path(url).absolute())
        if is_remote(url):
            self._store, _, self._prefix = locate(url)
        else:
            Path(self.url).mkdir(parents=True, exist_ok=True)
            self._store, self._prefix = folder(self.url), ""

    @classmethod
    def existing(cls, url: str) -> Destination:
        """Returns one that `bulk` has written.

        Raises:
            NotFound: there is no such folder.
        """
        if not is_remote(url) and not Path(url).is_dir():
            raise NotFound(f"there is no folder {url}")
        return cls(url)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def put(self, name: str, content: bytes) -> None:
        """Writes an object as a whole: a reader sees all of it or none."""
        obstore.put(self._store, self._key(name), content)

    def get(self, name: str) -> bytes:
        return bytes(obstore.get(self._store, self._key(name)).bytes())

    def names(self, folder: str) -> Iterator[str]:
        """Yields the names of the objects in a folder."""
        prefix = self._key(folder)
        for batch in obstore.list(self._store, prefix):
            yield from (folder + meta["path"].removeprefix(prefix) for meta in batch)

    def run_info(self) -> RunInfo | None:
        """Returns the options of the run here; None before its list is complete.

        Raises:
            Conflict: they can't be read.
        """
        try:
            return RunInfo(**json.loads(self.get(_RUN)))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise Conflict(f"{self.url} holds a {_RUN} that is not one of bulk") from error

    def start(self, info: RunInfo, model: Mapping[str, bytes]) -> None:
        """Stores the objects of the model, and marks the list as complete."""
        for name, content in model.items():
            self.put(name, content)
        self.put(_RUN, json.dumps(dataclasses.asdict(info), indent=2).encode())

    def put_list(self, part: int, chunks: list[Chunk]) -> None:
        rows = [
            {"chunk": c.number, "kind": c.kind, "paths": list(map(os.fsencode, c.paths))}
            for c in chunks
        ]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, LIST), buffer, compression="zstd")
        self.put(f"inputs/part-{part:06d}.parquet", buffer.getvalue())

    def chunk(self, number: int) -> Chunk:
        """Returns a chunk of the list."""
        part, row = divmod(number, CHUNKS_PER_PART)
        found: dict[str, Any] = _list_part(self, part).slice(row, 1).to_pylist()[0]
        return Chunk(found["chunk"], found["kind"], list(map(os.fsdecode, found["paths"])))

    def begin(self, number: int, attempts: int) -> None:
        """Records the start of a chunk.

        Raises:
            Conflict: it was started as often as `attempts` in this run, and never done.
        """
        folder = f"attempts/{number:08d}"
        started = len(list(self.names(folder)))
        if started >= attempts:
            raise Conflict(f"chunk {number} was started {started} times and never done")
        self.put(f"{folder}/{started}", b"")

    def forget_attempts(self) -> None:
        """Removes the records of starts, for a new run over what is left."""
        keys = [self._key(name) for name in self.names("attempts")]
        if keys:
            obstore.delete(self._store, keys)

    def put_chunk(self, number: int, files: bytes, faces: bytes) -> None:
        """Writes a chunk's tables; the second object marks it as done."""
        self.put(f"faces/part-{number:08d}.parquet", faces)
        self.put(f"files/part-{number:08d}.parquet", files)

    def done(self) -> set[int]:
        """Returns the numbers of the chunks that are done."""
        matches = map(_PART.fullmatch, self.names("files"))
        return {int(match[1]) for match in matches if match}

    def tables(self, folder: str, columns: list[str]) -> Iterator[pa.Table]:
        """Yields those columns of each part of `files` or `faces`."""
        for name in sorted(self.names(folder)):
            yield pq.read_table(io.BytesIO(self.get(name)), columns=columns)


@lru_cache(maxsize=2)
def _list_part(destination: Destination, part: int) -> pa.Table:
    return pq.read_table(io.BytesIO(destination.get(f"inputs/part-{part:06d}.parquet")))
