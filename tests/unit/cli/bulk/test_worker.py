"""A worker of bulk, without Ray: what it loads from the destination, and the rows it writes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from deepfake_serving.cli.bulk import models
from deepfake_serving.cli.bulk.destination import Destination, RunInfo
from deepfake_serving.cli.bulk.listing import prepare
from deepfake_serving.cli.bulk.models import RunModel, find_model
from deepfake_serving.cli.bulk.worker import ChunkWorker, WorkerOptions
from deepfake_serving.packaging.archive import Archive
from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg


@pytest.fixture
def source(tmp_path: Path, three_faces: Pixels) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg(three_faces))
    (folder / "damaged.jpg").write_bytes(b"x")
    return folder


def faces(source: Path, out: Path, model: RunModel, *, explain: bool = False) -> list[Any]:
    """Analyses the source; returns the rows of its faces."""
    destination = Destination(str(out))
    wanted = RunInfo(
        str(source), None, 1, None, "every:5", model.name, model.digest, explain=explain
    )
    prepare(destination, wanted, model.objects, 8)
    worker = ChunkWorker(WorkerOptions(destination.url, 8, 1, None, "every:5", explain=explain))
    assert worker({"chunk": np.array([0])})["files"].tolist() == [2]
    [problem] = (row["problem"] for row in pq.read_table(out / "files").to_pylist()[1:])
    assert problem.endswith(":unsupported-media-type")
    rows: list[Any] = pq.read_table(out / "faces").to_pylist()
    return rows


def test_heatmaps_are_images_where_they_are_requested(
    archives: dict[str, Archive], source: Path, tmp_path: Path
) -> None:
    model = find_model("detector", archives["detector"].path)
    assert (model.name, model.digest) == ("detector", archives["detector"].digest)
    plain = faces(source, tmp_path / "plain", model)
    explained = faces(source, tmp_path / "explained", model, explain=True)
    assert [row["heatmaps"] for row in plain] == [None] * 3
    for row, same in zip(explained, plain, strict=True):
        image = Image.open(io.BytesIO(dict(row["heatmaps"])["detector"]))
        assert image.width == 2 * image.height
        assert row["fake_probability"] == pytest.approx(same["fake_probability"], abs=1e-4)


def test_an_ensemble_has_a_score_and_a_heatmap_of_each_member(
    archives: dict[str, Archive],
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "bundled_archive", lambda _: archives["detector"].path)
    path = tmp_path / "pair.yaml"
    members = [{"model": "one"}, {"model": "two"}]
    path.write_text(yaml.safe_dump({"name": "pair", "version": "1.0", "members": members}))
    model = find_model(str(path), None)
    assert sorted(model.objects) == ["ensemble.json", "members/one.mar", "members/two.mar"]
    rows = faces(source, tmp_path / "out", model, explain=True)
    for row in rows:
        assert set(dict(row["models"])) == set(dict(row["heatmaps"])) == {"one", "two"}
    [image, _] = pq.read_table(tmp_path / "out" / "files").to_pylist()
    assert (image["model"], image["model_digest"]) == ("pair", model.digest)


def test_paths_that_cannot_be_opened_are_problems_of_their_own(
    archives: dict[str, Archive], tmp_path: Path
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "folder.jpg").mkdir()
    paths = [tmp_path / "folder.mp4", tmp_path / ("x" * 300 + ".mp4"), "nul\0.mp4", "nul\0.jpg"]
    source = tmp_path / "list.txt"
    source.write_text("\n".join(map(str, [*paths, tmp_path / "folder.jpg"])))
    model = find_model("detector", archives["detector"].path)
    destination = Destination(str(tmp_path / "out"))
    wanted = RunInfo(str(source), None, 1, None, "every:5", model.name, model.digest)
    run = prepare(destination, wanted, model.objects, 8)
    worker = ChunkWorker(WorkerOptions(destination.url, 8, 1, None, "every:5"))
    worker({"chunk": np.arange(run.chunks)})
    rows = pq.read_table(tmp_path / "out" / "files").to_pylist()
    assert [row["problem_detail"] for row in rows] == [
        "the file can't be read: Is a directory",
        "the file can't be read: File name too long",
        "the file can't be read: embedded null byte",
        "the file can't be read: embedded null byte",
        "the file can't be read: Is a directory",
    ]
