"""The console's examples are those that the script makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.examples import EXAMPLES, write_examples


@pytest.mark.parametrize("name", ["portrait.jpg", "swapped.jpg"])
def test_the_shipped_files_are_those_of_the_script(tmp_path: Path, name: str) -> None:
    """But for what the versions of an encoder differ by."""
    write_examples(tmp_path)
    made, shipped = (np.asarray(Image.open(folder / name), int) for folder in (tmp_path, EXAMPLES))
    assert np.abs(made - shipped).mean() < 0.5


def test_only_the_face_differs() -> None:
    real, swapped = (
        np.asarray(Image.open(EXAMPLES / f"{name}.jpg"), int) for name in ("portrait", "swapped")
    )
    rows, columns = np.nonzero(np.abs(real - swapped).max(axis=2) > 40)
    assert len(rows) > 50
    assert rows.max() < 230
    assert 140 < columns.min() < columns.max() < 310
