"""Idempotency keys across releases: yesterday's request is the same one today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from deepfake_serving.contracts.jobs import Source
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.jobs.idempotency import RequestKeys
from deepfake_serving.gateway.jobs.requests import (
    ImageRequest,
    Request,
    VideoRequest,
    chosen_options,
)

VIDEO = VideoRequest("every:3", shots=False, idempotency_key="key")
IMAGE = ImageRequest("detector", "relative", idempotency_key="key")


@dataclass(frozen=True, slots=True)
class LaterRequest(VideoRequest):
    """The request of a later release."""

    people: bool = False


def fingerprint(request: Request, kind: str) -> str:
    owner = Principal("me", sees_all=False)
    key = RequestKeys(request, kind, owner).chosen(Source("b", url="https://a/b"))
    assert key is not None
    return key[1]


@pytest.mark.parametrize(
    ("request_", "kind", "stored"),
    [
        (VIDEO, "video", "adc918ae0e128fb6f655fd528a105b5b0997b1ca9ffeb72eea79dfd592d4cc41"),
        (IMAGE, "image", "6618d0bd558efa1a772f41291863d5604cca82ab7834f0cd4be1f21792830527"),
    ],
)
def test_stored_fingerprints_stay_valid(request_: Request, kind: str, stored: str) -> None:
    assert fingerprint(request_, kind) == stored


def test_an_option_of_a_later_release_counts_once_it_is_chosen() -> None:
    options: dict[str, Any] = chosen_options(VIDEO)
    later = LaterRequest(**options)
    assert fingerprint(later, "video") == fingerprint(VIDEO, "video")
    chosen = LaterRequest(**options, people=True)
    assert fingerprint(chosen, "video") != fingerprint(VIDEO, "video")
