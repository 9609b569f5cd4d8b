"""KServe's V1 protocol: instances in, predictions out."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from deepfake_serving.contracts.kserve_v1 import MAX_INSTANCES, predictions, read_instances
from deepfake_serving.contracts.problems import InvalidRequest, TooLarge, UndecodableMedia

IMAGE = {"b64": base64.b64encode(b"image").decode()}


def encoded(*instances: Any) -> bytes:
    return orjson.dumps({"instances": instances})


@pytest.mark.parametrize("instance", [{"image": IMAGE}, {"image_bytes": IMAGE}, IMAGE])
def test_instances_are_images_in_order(instance: Any) -> None:
    other = {"image": {"b64": base64.b64encode(b"other").decode()}}
    assert read_instances(encoded(instance, other)) == [b"image", b"other"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"inputs": []}',
        encoded(),
        encoded("text"),
        encoded({"image": "text"}),
        encoded({"image": {"b64": 1}}),
        encoded({"image": {"b64": "not base64"}}),
        encoded({"image": {"b64": "ä"}}),
    ],
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_instances(body)


def test_too_many_instances_are_refused() -> None:
    with pytest.raises(TooLarge):
        read_instances(encoded(*[IMAGE] * (MAX_INSTANCES + 1)))


def test_a_bad_image_is_a_problem_at_its_position() -> None:
    broken = UndecodableMedia("broken")
    assert predictions([{"verdict": "real"}, broken]) == {
        "predictions": [{"verdict": "real"}, broken.to_dict()]
    }
