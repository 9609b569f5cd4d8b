"""Ensembles in this process: members that are one network with other calibrations."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deepfake_serving.cli import ensemble as module
from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.cli.ensemble import LocalEnsemble, open_detector
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.packaging.archive import Archive
from model_handlers.pipeline.decode import Pixels


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
    with pair, LocalDetector(archives["detector"].path) as single:
        (alone,) = single.run([three_faces])
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
