"""Lists the files of a source: a folder, a glob, a list, a Parquet column or a bucket's prefix."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from deepfake_serving.cli.bulk.stores import is_remote, locate
from deepfake_serving.contracts.problems import InvalidRequest

Kind = Literal["image", "video"]

_IMAGES = "avif bmp gif heic heif jfif jpe jpeg jpg png tif tiff webp"
_VIDEOS = "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv ts webm wmv"
_KINDS: dict[str, Kind] = {
    **{f".{name}": "image" for name in _IMAGES.split()},
    **{f".{name}": "video" for name in _VIDEOS.split()},
}


def kind_of(path: str) -> Kind:
    """Returns the kind of a file by its name; one that is not known is read as an image."""
    return _KINDS.get(PurePosixPath(path).suffix.lower(), "image")


def list_inputs(source: str, column: str | None = None) -> Iterator[str]:
    """Yields the paths and object URLs of a source, each folder in the order of its names.

    A folder, a glob and a prefix contribute files with the suffix of an image or a video. A text
    file contributes its lines and a Parquet file the values of `column`, whatever their suffix. A
    folder below that can't be read contributes its own path, whose row will say so.

    Raises:
        InvalidRequest: there is no such source, or it has no such column.
    """
    if is_remote(source):
        return _objects(source)
    path = Path(source)
    if path.is_dir():
        return _folder(path.absolute())
    if path.is_file():
        return _file(path, column)
    if glob.has_magic(source):
        found = (path for path in sorted(glob.iglob(source, recursive=True)) if _is_media(path))
        return (os.path.abspath(path) for path in found if Path(path).is_file())
    raise InvalidRequest(f"there is no folder, file or glob {source!r}")


def canonical(source: str) -> str:
    """Returns one spelling of a source, whatever folder the command runs in."""
    if is_remote(source):
        return source.rstrip("/")
    if glob.has_magic(source) and not Path(source).exists():
        return os.path.join(glob.escape(os.getcwd()), os.path.normpath(source))
    return os.path.abspath(source)


def select(paths: Iterator[str], sample: float, limit: int | None) -> Iterator[str]:
    """Yields a share of the paths, the same in every run, and at most `limit` of them."""
    if sample < 1:
        paths = (path for path in paths if _fraction(path) < sample)
    return itertools.islice(paths, limit)


def _is_media(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _KINDS


def _fraction(path: str) -> float:
    digest = hashlib.blake2b(os.fsencode(path), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _folder(folder: Path) -> Iterator[str]:
    """Walks a folder without following links to folders, so that no cycle is entered."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        elif _is_media(entry.path) and _is_file(entry):
            yield entry.path


def _below(folder: str) -> Iterator[str]:
    try:
        yield from _folder(Path(folder))
    except PermissionError:
        yield folder


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _objects(source: str) -> Iterator[str]:
    store, bucket, prefix = locate(source)
    for batch in obstore.list(store, prefix):
        names = (f"{bucket}/{meta['path']}" for meta in batch)
        yield from filter(_is_media, names)


def _file(path: Path, column: str | None) -> Iterator[str]:
    if column is not None:
        return _parquet(path, column)
    return iter([str(path.absolute())]) if _is_media(str(path)) else _lines(path)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        yield from (line.rstrip("\r\n") for line in lines if line.strip())


def _parquet(path: Path, column: str) -> Iterator[str]:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InvalidRequest(f"{path} is no Parquet file") from error
    if column not in file.schema_arrow.names:
        names = ", ".join(file.schema_arrow.names)
        raise InvalidRequest(f"{path} has no column {column!r}; it has {names}")
    return _values(file, column)


def _values(file: pq.ParquetFile, column: str) -> Iterator[str]:
    for batch in file.iter_batches(columns=[column]):
        yield from (str(value) for value in batch.column(0).to_pylist() if value)
