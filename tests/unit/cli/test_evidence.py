"""`detect --explain --provenance`: heatmaps as files, and the provenance of every image."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.cli.evidence import names
from deepfake_serving.cli.evidence.names import OutputNames
from deepfake_serving.contracts.problems import InvalidRequest
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


def test_no_heatmap_or_copy_overwrites_an_input_or_another(
    archives: Mapping[str, Archive], astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    images = [tmp_path / name for name in ("a.jpg", "a-1.png", "b/a-1.jpg")]
    for image in images:
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(astronaut_jpeg)
    options = [
        "--archive",
        archives["detector"].path,
        "--explain",
        tmp_path,
        "--annotate",
        tmp_path,
    ]
    result = CliRunner().invoke(cli.app, ["detect", *map(str, [*options, *images])])
    assert result.exit_code == 0
    assert all(image.read_bytes() == astronaut_jpeg for image in images)
    assert len({path for path in tmp_path.iterdir() if path.is_file()} - set(images)) == 6


def test_a_long_name_leaves_space_for_the_ending(tmp_path: Path) -> None:
    stem, ending = "é" * 126, "-1-detector.png"
    [path] = OutputNames([]).choose(tmp_path, stem, [ending])
    path.touch()
    assert path.name == f"{'é' * 100}{ending}"
    [other] = OutputNames([]).choose(tmp_path, os.fsdecode(b"\xff" * 253), [ending])
    other.touch()


@pytest.mark.parametrize("content", [None, b"", b"\xff\xd8\xff", b"-----BEGIN PRIVATE KEY-----"])
def test_anchors_without_a_certificate_are_named(
    archives: Mapping[str, Archive], tmp_path: Path, content: bytes | None
) -> None:
    anchors = tmp_path / "anchors.pem"
    if content is not None:
        anchors.write_bytes(content)
    arguments = ["detect", "--archive", archives["detector"].path, "--anchors", anchors, "a.jpg"]
    error = CliRunner().invoke(cli.app, list(map(str, arguments))).exception
    if content is None:
        assert isinstance(error, FileNotFoundError)
    else:
        assert isinstance(error, InvalidRequest)
        assert str(error) == f"{anchors}: no certificate in PEM format"


def test_thousands_of_images_of_one_name_are_not_compared_with_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def resolved(folder: Path, name: str, endings: Sequence[str]) -> list[Path]:
        tried.append(name)
        return [folder / f"{name}{ending}" for ending in endings]

    monkeypatch.setattr(names, "_resolved", resolved)
    chosen = OutputNames([])
    paths = [chosen.choose(tmp_path, "frame", [".png"])[0].name for _ in range(1000)]
    assert paths[:2] == ["frame.png", "frame-2.png"]
    assert len(set(paths)) == 1000
    assert len(tried) < 4000
