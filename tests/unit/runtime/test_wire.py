"""Items of a message are counted on the wire, before it is parsed."""

from __future__ import annotations

import pytest

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.runtime.rpc.wire import check_items

IMAGES = pb.DetectBatchRequest.IMAGES_FIELD_NUMBER


@pytest.mark.parametrize("image", [b"", b"x", bytes(300), bytes(70_000)])
def test_as_many_items_as_the_limit_pass_and_one_more_does_not(image: bytes) -> None:
    batch = pb.DetectBatchRequest(images=[image] * 4, model="detector", id="mine")
    check_items(batch.SerializeToString(), IMAGES, 4, "images")
    with pytest.raises(TooLarge, match="more than 3 images"):
        check_items(batch.SerializeToString(), IMAGES, 3, "images")


def test_fields_of_other_numbers_are_limited_too() -> None:
    check_items(b"\x20\x01" * 64, IMAGES, 4, "images")
    with pytest.raises(InvalidRequest, match="other fields"):
        check_items(b"\x20\x01" * 65, IMAGES, 4, "images")


@pytest.mark.parametrize(
    "data", [b"", b"\x0a", b"\x0a\xff", b"\xff" * 100, b"\x0f", b"\x09", b"\x0b\x0c", b"\x0d\x00"]
)
def test_malformed_bytes_are_left_to_the_parser(data: bytes) -> None:
    check_items(data, IMAGES, 4, "images")
