"""Media cases with expected outcomes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from deepfake_serving.packaging.archive import Archive
from model_handlers.pipeline.decode import Pixels
from scripts.cases import main
from tests.support.videos import pan, write_video

CASES = """
face.jpg: {label: real}
cut.jpg: {like: face.jpg, warning: cut short}
clip.mp4: {like: face.jpg, within: 0.2}
still.avif: {as: video, problem: unsupported-media-type}
"""


def test_cases_are_compared_with_their_expectation(
    archives: dict[str, Archive],
    astronaut: Pixels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    portrait = Image.fromarray(astronaut[:256, 96:352])
    portrait.save(tmp_path / "face.jpg", quality=95)
    portrait.save(tmp_path / "still.avif")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "face.jpg").read_bytes()[:-2])
    write_video(tmp_path / "clip.mp4", pan(astronaut, 6))
    (tmp_path / "cases.yaml").write_text(CASES)
    archive = str(archives["detector"].path)
    monkeypatch.setattr(sys, "argv", ["cases", str(tmp_path), "--archive", archive])
    assert main() == 0
    assert "4 of 4 cases are as expected" in capsys.readouterr().out
    (tmp_path / "cases.yaml").write_text("face.jpg: {label: fake}\ncut.jpg: {problem: too-large}\n")
    assert main() == 1
    output = capsys.readouterr().out
    assert "expected label: fake" in output
    assert "expected problem: too-large" in output


def test_a_folder_without_expectations_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cases", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert f"{tmp_path / 'cases.yaml'}: no such file" in capsys.readouterr().err
