"""Labelled faces of exported feedback: cut out, so that an evaluation scores these faces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake_serving.training.development.feedback import cut_faces
from deepfake_serving.training.development.sets import read_sets
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from model_handlers.pipeline.faces import FaceDetector
from tests.support.images import jpeg


def write_export(folder: Path, *labels: dict[str, Any]) -> Path:
    (folder / "feedback" / "faces").mkdir(parents=True)
    lines = "".join(json.dumps(label) + "\n" for label in labels)
    (folder / "feedback" / "labels.jsonl").write_text(lines)
    return folder / "feedback"


def label(face: int, box: list[float] | None, truth: str = "fake") -> dict[str, Any]:
    return {"label": truth, "face": face, "box": box, "file": "faces/0123.jpg"}


def test_each_labelled_face_is_the_largest_of_its_image(
    tmp_path: Path, three_faces: Pixels, face_detector: FaceDetector
) -> None:
    (found,) = face_detector.find([three_faces])
    boxes = [[float(edge) for edge in face.box] for face in found.faces]
    labels = [label(n, box, "real" if n else "fake") for n, box in enumerate(boxes)]
    folder = write_export(tmp_path, *labels)
    (folder / "faces" / "0123.jpg").write_bytes(jpeg(three_faces))
    assert cut_faces(folder) == (3, 0)
    (media,) = read_sets(tmp_path).values()
    assert [(m.path.name, m.fake) for m in media] == [
        ("0123-face-1.png", False),
        ("0123-face-2.png", False),
        ("0123-face-0.png", True),
    ]
    by_name = {m.path.name: m.path for m in media}
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        part = decode(by_name[f"0123-face-{number}.png"].read_bytes(), DecodeSpec())
        (again,) = face_detector.find([part])
        sides = np.subtract(again.faces[0].box[2:], again.faces[0].box[:2])
        assert sides == pytest.approx([x2 - x1, y2 - y1], rel=0.1)


def test_labels_without_an_image_or_a_box_are_counted(tmp_path: Path) -> None:
    whole = {"label": "real", "face": None, "file": "real/1.jpg", "box": None}
    gone, relative = label(0, [0, 0, 9, 9]), label(1, None)
    kept_none = label(0, [0, 0, 9, 9]) | {"file": None}
    assert cut_faces(write_export(tmp_path, whole, gone, relative, kept_none)) == (0, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"label": "../x"}, "real or fake"), ({"box": [900, 900, 950, 950]}, "outside of its image")],
)
def test_a_label_that_can_not_be_right_is_refused(
    change: dict[str, Any], reason: str, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    folder = write_export(tmp_path, label(0, [10, 10, 60, 60]) | change)
    (folder / "faces" / "0123.jpg").write_bytes(astronaut_jpeg)
    with pytest.raises(ValueError, match=reason):
        cut_faces(folder)


def test_no_file_outside_of_the_export_is_read(tmp_path: Path, astronaut_jpeg: bytes) -> None:
    (tmp_path / "secret.jpg").write_bytes(astronaut_jpeg)
    folder = write_export(tmp_path, label(0, [0, 0, 50, 50]) | {"file": "faces/../../secret.jpg"})
    assert cut_faces(folder) == (0, 1)
