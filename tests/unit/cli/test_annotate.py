"""`detect --annotate`: boxes in a copy of the image."""

from __future__ import annotations

import numpy as np

from deepfake_serving.cli.evidence.annotate import annotated
from deepfake_serving.contracts.verdict import FaceVerdict, ImageVerdict, ModelRef

_MODEL = ModelRef("detector", "1", None, trained=True)
_FACE = FaceVerdict([200.0, 240.0, 280.0, 360.0], [], 1.0, 0.1, "real", {})


def test_boxes_of_an_image_that_was_decoded_at_half_its_size_are_where_its_faces_are() -> None:
    verdict = ImageVerdict("real", 0.1, [_FACE], 400, 600, _MODEL)
    image = np.zeros((300, 200, 3), np.uint8)
    changed = annotated(image, verdict).any(axis=2)
    rows, columns = np.flatnonzero(changed[:, 100:141].any(axis=1)), np.flatnonzero(changed[150])
    assert rows[-1] == 182
    assert [columns[0] - 100, columns[-1] - 140] == [-2, 2]
