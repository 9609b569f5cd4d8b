"""Index requests of Triton's model repository extension, and the problem of malformed ones."""

from __future__ import annotations

import pytest

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.runtime.model_repository import ready_only


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"", False), (b"{}", False), (b'{"ready": false}', False), (b'{"ready": true}', True)],
)
def test_an_index_lists_all_models_unless_only_ready_ones_are_requested(
    body: bytes, expected: bool
) -> None:
    assert ready_only(body) is expected


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"ready": 1}', b'{"ready": null}'])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        ready_only(body)
