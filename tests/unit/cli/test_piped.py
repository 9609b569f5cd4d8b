"""Files that come through a pipe: `-` and `/dev/stdin`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.packaging.archive import Archive
from tests.support.videos import scenes, write_video


def analyse(command: Sequence[object], data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Runs a command with data piped into it."""
    line = [sys.executable, "-m", "deepfake_serving", *map(str, command)]
    return subprocess.run(line, input=data, capture_output=True, check=False)


def document(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_a_video_with_its_index_at_the_end_is_read_from_a_pipe(
    archives: dict[str, Archive], tmp_path: Path, workers: int
) -> None:
    path = write_video(tmp_path / "film.mp4", scenes())
    data = path.read_bytes()
    assert data.index(b"moov") > data.index(b"mdat")
    command = ["video", "--json", "--archive", archives["detector"].path, "--workers", workers]
    piped, opened = (document(analyse([*command, given], data)) for given in ("-", path))
    for verdict in (piped, opened):
        verdict.pop("timings_ms")
    assert piped == opened


@pytest.mark.slow
def test_an_image_is_read_from_a_pipe(
    archives: dict[str, Archive], astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    command = ["detect", "--json", "--archive", archives["detector"].path, "--annotate", tmp_path]
    found = document(analyse([*command, "-"], astronaut_jpeg))
    assert found["file"] == "/dev/stdin"
    assert len(found["faces"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["stdin.png"]


@pytest.mark.parametrize("command", ["detect", "video"])
def test_a_url_is_refused_with_what_to_do(command: str) -> None:
    done = analyse([command, "https://example.org/a.mp4"], b"")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"URLs are not fetched here" in done.stderr


def test_an_empty_pipe_is_an_empty_file() -> None:
    done = analyse(["video", "-"], b"")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the file is empty" in done.stderr
