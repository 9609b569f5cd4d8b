"""Lists a folder of real and fake images, before any face is detected.

root/real/**, root/fake/**   images; one of the two may be missing
root/pairs.csv               optional: `fake,real`, the file names of a fake and its original
root/identities.csv          optional: `file,identity`
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from deepfake_serving.training.data.portraits import IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image; `original` is the path of the real image that a fake was made from, or None."""

    path: Path
    fake: bool
    identity: str
    original: Path | None = None

    @property
    def name(self) -> str:
        """The name of the image, unique within the source."""
        return f"{'fake' if self.fake else 'real'}/{self.path.name}"


def list_folder(root: Path) -> list[ListedImage]:
    """Lists real images, then fakes, each sorted; a fake has the identity of its original.

    Raises:
        ValueError: the folder has no image.
    """
    identities = _column(root / "identities.csv", "file", "identity")
    originals = _column(root / "pairs.csv", "fake", "real")
    reals = [ListedImage(p, False, identities.get(p.name, p.stem)) for p in _images(root / "real")]
    by_name = {image.path.name: image for image in reals}
    fakes = []
    for path in _images(root / "fake"):
        original = by_name.get(originals.get(path.name, ""))
        identity = original.identity if original else identities.get(path.name, path.stem)
        fakes.append(ListedImage(path, True, identity, original.path if original else None))
    if not reals and not fakes:
        raise ValueError(f"{root}: no image below real/ or fake/")
    return reals + fakes


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)


def _column(path: Path, key: str, value: str) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        return {row[key]: row[value] for row in csv.DictReader(stream)}
