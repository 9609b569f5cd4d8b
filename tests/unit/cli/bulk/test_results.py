"""A run's list and tables in a destination, and their summary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from deepfake_serving.cli.app import app
from deepfake_serving.cli.bulk import destination as destinations
from deepfake_serving.cli.bulk.destination import Destination, RunInfo
from deepfake_serving.cli.bulk.listing import prepare
from deepfake_serving.cli.bulk.page import write_page
from deepfake_serving.cli.bulk.stores import store_errors
from deepfake_serving.cli.bulk.summary import Summary, summarise
from deepfake_serving.cli.bulk.tables import FACES, FILES, Source, encode, image_rows, video_rows
from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidRequest,
    NotFound,
    UndecodableMedia,
    UpstreamUnavailable,
)
from tests.support.images import jpeg
from tests.support.small_disk import fill, small_disk

MODEL = {"name": "detector", "version": "1.3", "digest": "sha256:1", "trained": True}
FACE = {
    "box": [1.0, 2.0, 3.0, 4.0],
    "landmarks": [[0.0, 0.0]],
    "detection_confidence": 0.99,
    "fake_probability": 0.9,
    "verdict": "fake",
    "models": {"detector": {"fake_probability": 0.9}, "late": {"unavailable": "overloaded"}},
    "heatmap": None,
}
IMAGE = {
    "verdict": "fake",
    "fake_probability": 0.9,
    "faces": [FACE, FACE],
    "width": 8,
    "height": 9,
    "model": MODEL,
    "timings_ms": {},
    "id": None,
    "warnings": ["cut short"],
}


def wanted(source: Path, **changes: Any) -> RunInfo:
    options = {
        "source": str(source),
        "column": None,
        "sample": 1.0,
        "limit": None,
        "sampling": "every:5",
    }
    return RunInfo(**(options | {"model": "detector", "model_digest": "sha256:1"} | changes))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.mp4", "d.jpg"):
        (folder / name).write_bytes(b"x")
    return folder


def test_images_are_in_chunks_and_a_video_is_a_chunk(source: Path, tmp_path: Path) -> None:
    destination = Destination(str(tmp_path / "out"))
    info = prepare(destination, wanted(source), {"model.mar": b"archive"}, 2)
    chunks = [destination.chunk(number) for number in range(info.chunks)]
    assert [(chunk.kind, [Path(path).name for path in chunk.paths]) for chunk in chunks] == [
        ("image", ["a.jpg", "b.jpg"]),
        ("video", ["c.mp4"]),
        ("image", ["d.jpg"]),
    ]
    assert (info.files, destination.get("model.mar")) == (4, b"archive")


def test_a_report_of_an_unfinished_run_says_so(source: Path, tmp_path: Path) -> None:
    destination = Destination(str(tmp_path / "out"))
    prepare(destination, wanted(source), {}, 2)
    result = CliRunner().invoke(app, ["report", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "4 of 4 files are not done" in result.stderr


def test_a_report_creates_no_folder(tmp_path: Path) -> None:
    missing = tmp_path / "misspelt"
    error = CliRunner().invoke(app, ["report", str(missing)]).exception
    assert (type(error), str(error)) == (NotFound, f"there is no folder {missing}")
    assert not missing.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
def test_another_run_json_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    error = CliRunner().invoke(app, ["report", str(tmp_path)]).exception
    assert isinstance(error, Conflict)
    assert str(error) == f"{tmp_path} holds a run.json that is not one of bulk"


def test_a_destination_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError) as found:
        Destination(str(tmp_path / "file"))
    assert found.value.filename == str(tmp_path / "file")


def test_a_list_of_several_parts_has_every_chunk(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destinations, "CHUNKS_PER_PART", 2)
    monkeypatch.setattr("deepfake_serving.cli.bulk.listing.CHUNKS_PER_PART", 2)
    destination = Destination(str(tmp_path / "out"))
    info = prepare(destination, wanted(source), {}, 1)
    paths = [path for number in range(info.chunks) for path in destination.chunk(number).paths]
    assert [Path(path).name for path in paths] == ["a.jpg", "b.jpg", "c.mp4", "d.jpg"]


def test_a_run_goes_on_with_the_list_it_has(source: Path, tmp_path: Path) -> None:
    destination = Destination(str(tmp_path / "out"))
    first = prepare(destination, wanted(source), {}, 2)
    (source / "new.jpg").write_bytes(b"x")
    assert prepare(destination, wanted(source), {}, 99) == first


@pytest.mark.parametrize(
    "change",
    [
        {"sample": 0.5},
        {"limit": 1},
        {"sampling": "every:9"},
        {"model_digest": "sha256:2"},
        {"column": "path"},
        {"explain": True},
    ],
)
def test_another_run_into_the_same_destination_is_refused(
    source: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    destination = Destination(str(tmp_path / "out"))
    prepare(destination, wanted(source), {}, 2)
    with pytest.raises(Conflict, match=f"a run with another {next(iter(change))}"):
        prepare(destination, wanted(source, **change), {}, 2)


def test_tables_without_a_run_are_not_overwritten(source: Path, tmp_path: Path) -> None:
    destination = Destination(str(tmp_path / "out"))
    destination.put_chunk(0, encode([], FILES), encode([], FACES))
    with pytest.raises(Conflict, match="tables without a run"):
        prepare(destination, wanted(source), {}, 2)


def test_a_source_without_media_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(InvalidRequest, match="has no image and no video"):
        prepare(Destination(str(tmp_path / "out")), wanted(tmp_path / "source"), {}, 2)


def test_a_chunk_that_is_written_twice_is_there_once(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path))
    row, faces = image_rows(Source("a.jpg", 5, "digest"), IMAGE)
    for _ in range(2):
        destination.put_chunk(7, encode([row], FILES), encode(faces, FACES))
    assert destination.done() == {7}
    assert pq.read_table(tmp_path / "files").num_rows == 1
    assert pq.read_table(tmp_path / "faces").num_rows == 2


def test_a_chunk_that_was_started_too_often_is_given_up_until_the_next_run(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path))
    for _ in range(3):
        destination.begin(5, 3)
    with pytest.raises(Conflict, match="chunk 5 was started 3 times"):
        destination.begin(5, 3)
    destination.begin(6, 3)
    destination.forget_attempts()
    destination.begin(5, 3)


def test_rows_of_an_image_have_its_scores_and_the_model(tmp_path: Path) -> None:
    row, faces = image_rows(Source("a.jpg", 5, "digest"), IMAGE)
    (tmp_path / "f.parquet").write_bytes(encode([row], FILES))
    (tmp_path / "g.parquet").write_bytes(encode(faces, FACES))
    [file] = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert file == {
        "path": "a.jpg",
        "kind": "image",
        "verdict": "fake",
        "fake_probability": 0.9,
        "faces": 2,
        "width": 8,
        "height": 9,
        "duration_s": None,
        "frames_analyzed": None,
        "bytes": 5,
        "sha256": "digest",
        "model": "detector",
        "model_version": "1.3",
        "model_digest": "sha256:1",
        "warnings": ["cut short"],
        "problem": None,
        "problem_detail": None,
    }
    stored = pq.read_table(tmp_path / "g.parquet").to_pylist()
    assert [face["face"] for face in stored] == [0, 1]
    assert (stored[0]["box"], dict(stored[0]["models"])) == ([1, 2, 3, 4], {"detector": 0.9})


def test_rows_of_a_video_are_its_tracks(tmp_path: Path) -> None:
    frames = [
        {"t_s": 0.0, "box": [0.0, 0, 1, 1], "fake_probability": 0.1},
        {"t_s": 0.2, "box": [5.0, 5, 9, 9], "fake_probability": 0.8},
    ]
    track = {"id": "1.1", "verdict": "suspicious", "fake_probability": 0.5, "frames": frames}
    shot = {"start_s": 0.0, "end_s": 2.5, "tracks": [track, track]}
    empty = {"start_s": 2.5, "end_s": 3.0, "tracks": []}
    video = IMAGE | {"shots": [empty, shot], "duration_s": 3.0, "frames_analyzed": 15}
    row, tracks = video_rows(Source("a.mp4"), video)
    assert (row["kind"], row["faces"], row["frames_analyzed"]) == ("video", 2, 15)
    (tmp_path / "g.parquet").write_bytes(encode(tracks, FACES))
    stored = pq.read_table(tmp_path / "g.parquet").to_pylist()
    assert [(row["face"], row["shot"], row["end_s"]) for row in stored] == [
        (0, 2, 2.5),
        (1, 2, 2.5),
    ]
    assert stored[0]["box"] == [5, 5, 9, 9]


def test_a_path_that_is_not_utf8_is_listed_and_stored(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")
    Path(path).write_bytes(b"x")
    destination = Destination(str(tmp_path / "out"))
    prepare(destination, wanted(tmp_path), {}, 2)
    assert destination.chunk(0).paths == [path]
    row, _ = image_rows(Source("/x/\udcff.jpg"), UndecodableMedia("broken").to_dict())
    (tmp_path / "f.parquet").write_bytes(encode([row], FILES))
    [file] = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert (file["path"], file["verdict"]) == ("/x/\\xff.jpg", None)
    assert file["problem"].endswith(":undecodable-media")


def test_a_summary_counts_verdicts_and_problems_over_all_parts(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path / "out"))
    image = tmp_path / "a.jpg"
    image.write_bytes(jpeg(np.zeros((9, 8, 3), np.uint8)))
    good, _ = image_rows(Source(str(image)), IMAGE)
    sure, _ = image_rows(Source("gone.jpg"), IMAGE | {"fake_probability": 1.0, "verdict": "fake"})
    bad, _ = image_rows(Source("c.jpg"), UndecodableMedia("broken").to_dict())
    none = encode([], FACES)
    destination.put_chunk(0, encode([good, bad], FILES), none)
    destination.put_chunk(1, encode([sure], FILES), none)
    summary = summarise(destination)
    assert (summary.files, summary.faces, summary.verdicts["fake"]) == (3, 4, 2)
    assert summary.problems == {"undecodable-media": 1}
    assert (summary.bins[18], summary.bins[19]) == (1, 1)
    assert [row["path"] for row in summary.highest] == ["gone.jpg", str(image)]
    write_page(tmp_path / "page.html", wanted(image), summary)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 1
    assert "undecodable-media" in page
    assert "disagreements" not in page


def test_a_report_has_the_faces_that_members_disagree_about_most_first(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path / "out"))
    for number, (one, two) in enumerate([(0.2, 0.3), (0.1, 0.9)]):
        models = {"one": {"fake_probability": one}, "two": {"fake_probability": two}}
        image = IMAGE | {"faces": [FACE | {"models": models}, FACE]}
        file, faces = image_rows(Source(f"{number}.jpg"), image)
        destination.put_chunk(number, encode([file], FILES), encode(faces, FACES))
    summary = summarise(destination)
    assert [(row["path"], row["face"]) for row in summary.disagreements] == [
        ("1.jpg", 0),
        ("0.jpg", 0),
    ]
    assert summary.disagreements[0]["difference"] == pytest.approx(0.8)
    write_page(tmp_path / "page.html", wanted(tmp_path), summary)
    assert "one 0.100, two 0.900" in (tmp_path / "page.html").read_text()


def test_a_page_has_no_thumbnail_of_a_file_that_has_changed(tmp_path: Path) -> None:
    for name, content in (
        ("gone.jpg", b"x"),
        ("strip.jpg", jpeg(np.zeros((1, 9000, 3), np.uint8))),
    ):
        (tmp_path / name).write_bytes(content)
    rows = [
        {"path": str(tmp_path / name), "kind": "image", "verdict": "real", "fake_probability": 0.1}
        for name in ("gone.jpg", "strip.jpg")
    ]
    summary = Summary(files=2, highest=[row | {"model": "detector", "faces": 1} for row in rows])
    write_page(tmp_path / "page.html", wanted(tmp_path), summary)
    assert (tmp_path / "page.html").read_text().count("data:image/jpeg") == 1


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        destination = Destination(str(disk))
        fill(disk)
        with pytest.raises(UpstreamUnavailable, match="No space left") as found, store_errors():
            destination.put("files/part-00000000.parquet", bytes(10_000))
    assert "\n" not in str(found.value)
