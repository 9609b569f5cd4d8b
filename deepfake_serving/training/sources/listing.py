"""Lists a folder of real and fake images, before any face is detected.

root/real/**, root/fake/**   images; one of the two may be missing
root/pairs.csv               optional: `fake,real`, a fake below fake/ and its original below real/
root/identities.csv          optional: `file,identity`

Files are named by their paths below real/ or fake/, since folders may hold files of equal names.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Container
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deepfake_serving.training.data.images import check_folder
from deepfake_serving.training.data.portraits import IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image; `original` is the real image that a fake was made from, if it is known.

    `name` is unique within the source.
    """

    path: Path
    name: str
    fake: bool
    identity: str
    original: ListedImage | None = None


def list_folder(root: Path) -> list[ListedImage]:
    """Lists real images, then fakes, each sorted; a fake has the identity of its original.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: the folder has no image, or a CSV file lacks a column or names no file of it.
    """
    check_folder(root)
    real_paths, fake_paths = _images(root / "real"), _images(root / "fake")
    if not real_paths and not fake_paths:
        raise ValueError(f"{root}: no image below real/ or fake/")
    identities = _column(root / "identities.csv", "file", "identity")
    _require_known(root / "identities.csv", identities, {*real_paths, *fake_paths})
    originals = _column(root / "pairs.csv", "fake", "real")
    _require_known(root / "pairs.csv", originals, fake_paths)
    _require_known(root / "pairs.csv", originals.values(), real_paths)
    reals = {
        name: ListedImage(path, f"real/{name}", False, identities.get(name, _stem(name)))
        for name, path in real_paths.items()
    }
    fakes = []
    for name, path in fake_paths.items():
        original = reals.get(originals.get(name, ""))
        identity = original.identity if original else identities.get(name, _stem(name))
        fakes.append(ListedImage(path, f"fake/{name}", True, identity, original))
    return [*reals.values(), *fakes]


def _images(folder: Path) -> dict[str, Path]:
    """Returns the images by their paths below the folder, sorted."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _column(path: Path, key: str, value: str) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if not {key, value} <= {*(reader.fieldnames or ())}:
            raise ValueError(f"{path}: no columns `{key},{value}`")
        return {row[key]: row[value] for row in reader}


def _require_known(path: Path, names: Collection[str], known: Container[str]) -> None:
    """
    Raises:
        ValueError: there are names, but none is that of an image.
    """
    if names and not any(name in known for name in names):
        raise ValueError(f"{path}: no such file as {next(iter(names))!r}, nor any other of it")
