"""Boxes and landmarks relative to the image's size."""

from __future__ import annotations

import orjson

from deepfake_serving.gateway.upstream.relative_boxes import convert_boxes

VERDICT = {
    "verdict": "real",
    "width": 200,
    "height": 100,
    "faces": [{"box": [20.0, 10.0, 200.0, 100.0], "landmarks": [[50.0, 50.0], [0.0, 99.9]]}],
}


def test_pixels_leave_the_verdict_as_it_is() -> None:
    body = orjson.dumps(VERDICT) + b" "
    assert convert_boxes(body, "pixels") is body


def test_relative_boxes_are_from_0_to_1() -> None:
    (face,) = orjson.loads(convert_boxes(orjson.dumps(VERDICT), "relative"))["faces"]
    assert face == {"box": [0.1, 0.1, 1.0, 1.0], "landmarks": [[0.25, 0.5], [0.0, 0.999]]}
