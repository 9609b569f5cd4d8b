"""`detect --explain --provenance`: heatmaps as files, and the provenance of every image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.packaging.archive import Archive


def test_heatmaps_are_written_and_the_provenance_is_read(
    archives: Mapping[str, Archive], astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    names = [Path("a/face.jpg"), Path("b/face.jpg"), Path("broken.jpg")]
    contents = [astronaut_jpeg, astronaut_jpeg, b"no image"]
    for name, content in zip(names, contents, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "maps"
    arguments = ["detect", "--archive", archives["detector"].path, "--json", "--explain", out]
    paths = [tmp_path / name for name in names]
    result = CliRunner().invoke(cli.app, [*map(str, arguments), "--provenance", *map(str, paths)])
    first, second, broken = (json.loads(line) for line in result.stdout.splitlines())
    digest = hashlib.sha256(astronaut_jpeg).hexdigest()
    assert first["provenance"]["sha256"] == second["provenance"]["sha256"] == digest
    assert "provenance" not in broken
    assert {path.name for path in out.iterdir()} == {"face-1.png", "face-2-1.png"}
    with Image.open(out / "face-1.png") as image:
        assert image.width == 2 * image.height
