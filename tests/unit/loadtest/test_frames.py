"""Every frame of a live stream gets a response or is counted as dropped."""

from __future__ import annotations

from typing import Any

import pytest

from deepfake_serving.contracts.problems import NotReady, Overloaded
from loadtest.frames import Frames
from loadtest.responses import InvalidResponse, Refused


def send_frames(count: int) -> Frames:
    """Returns frames that were sent one second apart, from 1 s on."""
    frames = Frames()
    for n in range(1, count + 1):
        assert frames.send(float(n)) == n
    return frames


def message(frame: int, dropped: int = 0) -> dict[str, Any]:
    return {"frame": frame, "verdict": {}, "dropped": dropped}


def test_the_age_of_a_frame_is_the_time_since_it_was_sent():
    frames = send_frames(2)
    assert frames.receive(message(1), 2.5) == (1, 1.5, [])
    assert not frames.complete
    assert frames.receive(message(2), 2.75) == (2, 0.75, [])
    assert frames.complete
    frames.end()


def test_frames_before_one_with_a_response_count_as_dropped():
    frames = send_frames(4)
    frames.receive(message(1, dropped=2), 4.0)
    assert frames.receive(message(4, dropped=2), 6.0) == (4, 2.0, [4.0, 3.0])
    frames.end()
    assert (frames.completed, frames.dropped) == (2, 2)


@pytest.mark.parametrize(
    "spoilt",
    [
        None,
        "a text",
        {},
        {"frame": 1},
        message(7),
        message(0),
        message(3, dropped=1),  # two are missing
        message(1) | {"dropped": None},
    ],
)
def test_an_inconsistent_message_is_invalid(spoilt: Any):
    with pytest.raises(InvalidResponse):
        send_frames(3).receive(spoilt, 4.0)


def test_a_frame_gets_only_one_response():
    frames = send_frames(2)
    frames.receive(message(1), 2.0)
    with pytest.raises(InvalidResponse):
        frames.receive(message(1), 2.0)


def test_the_count_of_dropped_frames_never_decreases():
    frames = send_frames(3)
    frames.receive(message(1, dropped=1), 3.0)
    with pytest.raises(InvalidResponse):
        frames.receive(message(2, dropped=0), 3.0)


def test_a_frame_without_a_response_is_reported_at_the_end():
    frames = send_frames(2)
    frames.receive(message(1), 2.0)
    with pytest.raises(InvalidResponse, match="before all responses"):
        frames.end()


def test_frames_reported_as_dropped_that_got_a_response_are_reported_at_the_end():
    frames = send_frames(2)
    frames.receive(message(1, dropped=1), 2.0)
    frames.receive(message(2, dropped=1), 2.0)
    with pytest.raises(InvalidResponse, match="count of dropped frames"):
        frames.end()


def test_a_problem_of_the_whole_stream_ends_it():
    with pytest.raises(Refused):
        send_frames(1).receive({"problem": Overloaded("too many streams").to_dict()}, 1.0)
    with pytest.raises(InvalidResponse, match="503 Not ready"):
        send_frames(1).receive({"problem": NotReady("").to_dict()}, 1.0)
