"""Ensembles in this process: members that are one network with other calibrations."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deepfake_serving.cli import ensemble as module
from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.cli.ensemble import LocalEnsemble, open_detector
from deepfake_serving.cli.evidence.heatmaps import write_heatmaps
from deepfake_serving.cli.evidence.names import OutputNames
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.packaging.archive import Archive
from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg
from tests.support.videos import pan


@pytest.fixture
def pair(
    archives: dict[str, Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LocalEnsemble:
    """Two members that are the same archive under two names."""
    monkeypatch.setattr(module, "bundled_archive", lambda name: archives["detector"].path)
    path = tmp_path / "pair.yaml"
    members = [{"model": "one"}, {"model": "two"}]
    path.write_text(yaml.safe_dump({"name": "pair", "version": "1.0", "members": members}))
    opened = open_detector(str(path), None)
    assert isinstance(opened, LocalEnsemble)
    return opened


def test_members_score_the_same_faces(
    pair: LocalEnsemble, archives: dict[str, Archive], three_faces: Pixels
) -> None:
    (alone,) = LocalDetector(archives["detector"].path).run([three_faces])
    together, problem = pair.run([three_faces, b"no image"])
    assert isinstance(problem, Problem)
    assert isinstance(alone, ImageVerdict)
    assert isinstance(together, ImageVerdict)
    assert (together.model.name, together.model.trained) == ("pair", True)
    for face, expected in zip(together.faces, alone.faces, strict=True):
        assert face.box == expected.box
        assert set(face.models) == {"one", "two"}
        for score in face.models.values():
            p = pytest.approx(expected.fake_probability, abs=1e-3)
            assert score["fake_probability"] == p


def test_files_have_the_ensembles_verdicts(
    pair: LocalEnsemble, tmp_path: Path, three_faces: Pixels
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(three_faces))
    document, missing = pair.documents([tmp_path / "a.jpg", tmp_path / "none"], 8)
    assert (document["model"]["name"], len(document["faces"])) == ("pair", 3)
    assert missing["detail"].startswith("the file can't be read")


def test_frames_of_a_video_have_the_ensembles_verdicts(
    pair: LocalEnsemble, astronaut: Pixels
) -> None:
    results = pair.frames(pan(astronaut, 3))
    assert [len(result["faces"]) for result in results if not isinstance(result, Problem)] == [
        1
    ] * 3


def test_heatmaps_are_files_of_each_member(
    pair: LocalEnsemble, tmp_path: Path, astronaut: Pixels
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(astronaut))
    documents = pair.documents([tmp_path / "a.jpg"], 8, explain=True)
    (document,) = write_heatmaps(documents, tmp_path / "maps", OutputNames([]))
    assert document["faces"][0]["heatmap"] is None
    assert not document["warnings"]
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"a-1-one.png", "a-1-two.png"}
