"""A long video, shared by processes, each with the real detector: the result of one process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.cli.divided import DividedVideo, analyse_file, analyse_parts
from deepfake_serving.cli.video import video_options
from deepfake_serving.packaging.archive import Archive
from tests.support.videos import scenes, write_video


@pytest.mark.slow
def test_processes_have_the_result_of_one(archives: dict[str, Archive], tmp_path: Path) -> None:
    """Cut every two seconds, in parts of eight: the last parts would be numbered from 1."""
    path = write_video(tmp_path / "film.mp4", scenes() * 4)
    options = dataclasses.replace(video_options("every:3", "shots", shots=True), part_s=8.0)
    archive = archives["detector"].path
    found: dict[int, tuple[dict[str, Any], dict[str, bytes]]] = {}
    stages = []
    for workers in (1, 2):
        gallery = tmp_path / f"gallery-{workers}"
        verdict = analyse_file(
            path,
            options,
            "detector",
            archive,
            None,
            gallery,
            workers,
            lambda stage, percent: stages.append((stage, percent)),
        )
        verdict.pop("timings_ms")
        images = {image.name: image.read_bytes() for image in gallery.iterdir()}
        found[workers] = verdict, images
    assert found[1] == found[2]
    assert len(found[2][0]["shots"]) == 12
    assert stages[-1] == ("analyse", 100.0)


def test_a_gallery_that_cannot_be_written_is_refused_before_the_analysis(
    archives: dict[str, Archive], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "film.mp4", scenes())
    options = dataclasses.replace(video_options("every:3", "shots", shots=True), part_s=2.0)
    (tmp_path / "file").touch()
    archive, stages = archives["detector"].path, []
    video = DividedVideo(path, options, "detector", archive, None, None, 1)
    with pytest.raises(NotADirectoryError):
        analyse_parts(video, 2, tmp_path / "file" / "x", lambda stage, _: stages.append(stage))
    assert stages == []
