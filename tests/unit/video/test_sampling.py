"""Sampling policies and the sampler."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampler, Sampling, thin


def selected(sampler: Sampler, frames: int, rate: float = 30.0) -> list[int]:
    return [index for index in range(frames) if sampler.select(index, index / rate)]


def sampler(text: str, duration_s: float | None = None, per_shot: int = 1000) -> Sampler:
    return Sampler(Sampling.parse(text), duration_s, per_shot)


def test_every_fifth_frame_is_sampled_by_default() -> None:
    assert str(VideoOptions().sampling) == "every:5"
    assert selected(sampler("every:5"), 23) == [0, 5, 10, 15, 20]


def test_fps_follows_time_and_not_the_frame_rate() -> None:
    assert selected(sampler("fps:2"), 61) == [0, 15, 30, 45, 60]
    uneven = sampler("fps:1")
    assert [t for t in (0.0, 0.1, 1.4, 1.9, 2.0, 5.5, 5.9, 6.0) if uneven.select(0, t)] == [
        0.0,
        1.4,
        2.0,
        5.5,
        6.0,
    ]


def test_times_on_the_grid_are_sampled_although_their_quotients_are_rounded() -> None:
    assert 0.3 / (1 / 10) < 3
    assert selected(sampler("fps:10"), 40, rate=10.0) == list(range(40))
    early = sampler("fps:1")
    assert [t for t in (0.0, 0.999, 1.0) if early.select(0, t)] == [0.0, 1.0]


def test_per_shot_starts_with_twelve_frames_a_second() -> None:
    assert len(selected(sampler("per_shot:64"), 60)) == 24


@pytest.mark.parametrize("count", [1, 7, 30])
def test_uniform_selects_the_number_of_frames_evenly(count: int) -> None:
    found = selected(sampler(f"uniform:{count}", 20.0), 600)
    assert len(found) == count
    steps = {b - a for a, b in itertools.pairwise(found)}
    assert not steps or max(steps) - min(steps) <= 1


def test_uniform_selects_every_frame_of_a_shorter_video() -> None:
    assert selected(sampler("uniform:100", 1.0), 30) == list(range(30))


@pytest.mark.parametrize(
    "text", ["", "every", "every:0", "every:2.5", "every:nan", "fps:nan", "fps:1e9", "uniform:-3"]
)
def test_an_invalid_policy_lists_the_policies(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"every:N|takes N from"):
        Sampling.parse(text)


def test_per_shot_is_limited() -> None:
    assert VideoOptions(Sampling.parse("per_shot:16")).per_shot == 16
    assert VideoOptions(Sampling.parse("every:1")).per_shot == 64
    with pytest.raises(InvalidRequest, match="2 to 64"):
        Sampling.parse("per_shot:65")


@given(frames=st.integers(1, 5000), per_shot=st.integers(2, 64))
def test_a_long_shot_is_thinned_evenly(frames: int, per_shot: int) -> None:
    kept: list[int] = []
    scored = 0
    for index in selected(sampler("every:1", per_shot=per_shot), frames):
        kept = [*thin(kept, per_shot), index]
        scored += 1
    assert len(kept) <= per_shot
    assert len(kept) >= min(frames, per_shot // 2)
    assert len({b - a for a, b in itertools.pairwise(kept)}) <= 1  # even
    doublings = max(0, (frames // per_shot).bit_length())
    assert scored <= per_shot + doublings * (per_shot // 2 + 1)


def test_a_new_shot_is_sampled_as_densely_as_the_first() -> None:
    many = sampler("every:1", per_shot=4)
    assert selected(many, 40)[-1] == 32
    many.start_shot()
    assert [i for i in range(40, 50) if many.select(i, i / 30)] == [40, 41, 42, 43, 44, 46, 48]
