"""Live streams are shared among keys, and a frame of them may take a short time only."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from deepfake_serving.contracts.problems import Overloaded
from deepfake_serving.gateway.auth.authenticator import Limits, Principal
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.settings import load_settings
from deepfake_serving.runtime.request_scope import RequestScope


def gateway(sessions: int, **settings: Any) -> Gateway:
    parts: dict[str, Any] = dict.fromkeys(
        (
            *("metrics", "authenticator", "upstream", "submission", "uploads"),
            *("jobs", "feedback", "store_health", "fetcher"),
        ),
        cast(Any, MagicMock()),
    )
    return Gateway(settings=load_settings(live_max_sessions=sessions, **settings), **parts)


def test_a_key_has_a_share_of_the_streams() -> None:
    served, first, second = gateway(4), Principal("a"), Principal("b")
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(served.track_stream(first))
        with pytest.raises(Overloaded, match="2 live streams of this API key"):
            stack.enter_context(served.track_stream(first))
        for _ in range(2):
            stack.enter_context(served.track_stream(second))
        with pytest.raises(Overloaded, match="4 live streams are open"):
            stack.enter_context(served.track_stream(Principal("c")))
    with served.track_stream(first):
        pass


def test_admins_set_other_shares_and_without_keys_there_are_none() -> None:
    served = gateway(4)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(served.track_stream(Principal("a", limits=Limits(max_streams=3))))
    one = Principal("a", limits=Limits(max_streams=1))
    with ExitStack() as stack:
        stack.enter_context(served.track_stream(one))
        with pytest.raises(Overloaded, match="1 live streams of this API key"):
            stack.enter_context(served.track_stream(one))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(served.track_stream(Principal()))


@pytest.mark.parametrize(
    ("request_s", "stream_s", "frame_s"), [(60, None, 15), (60, 3600, 15), (60, 5, 5), (8, None, 8)]
)
async def test_a_live_frame_has_a_short_deadline(
    request_s: float, stream_s: float | None, frame_s: float
) -> None:
    """A model server that hangs must not hold up the stream for as long as a request may take."""
    served = gateway(4, request_timeout_s=request_s)
    now = asyncio.get_running_loop().time()
    context = served.frame_context(RequestScope("/v1/stream", "id", None), 7, stream_s)
    assert context.id == "id.7"
    assert context.deadline - now == pytest.approx(frame_s, abs=1)
