"""Windows of live sources: appended, counted once, never overwritten."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from deepfake_serving.contracts.live import LiveVerdict, Window, WindowRef
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot, Track, TrackFrame
from deepfake_serving.gateway.live.windows import (
    Windows,
    add_window,
    read_windows,
    result_key,
    window_key,
)
from deepfake_serving.gateway.storage.objects import Objects

MODEL = ModelRef("detector", "1.0", "sha256:0", True)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects.open(f"file://{tmp_path}/objects")


def window(start_s: float, probability: float | None, **more: object) -> Window:
    label = "no_face" if probability is None else "fake" if probability > 0.6 else "real"
    given = {"verdict": label, "fake_probability": probability, "smoothed": probability} | more
    return Window(0, start_s, start_s + 10, **given)  # type: ignore[arg-type]


async def stored(objects: Objects) -> LiveVerdict:
    return (await Windows.open(objects, "a")).summary


async def test_the_summary_combines_all_windows(objects: Objects) -> None:
    windows = await Windows.open(objects, "a")
    assert windows.summary == LiveVerdict(id="a")
    face = TrackFrame(0.5, [1.0, 2.0, 3.0, 4.0], 0.1)
    shots = [Shot(0.0, 10.0, "real", 0.1, [Track("1", "real", 0.1, 0.0, [face])])]
    await windows.append(window(0, 0.1, shots=shots, frames_analyzed=20), MODEL)
    await windows.append(window(10, None, frames_analyzed=20), MODEL)
    await windows.append(window(40, 0.9, gap="lost", frames_with_face=7), MODEL)
    problem = {"verdict": None, "problem": {"type": "x"}}
    await windows.append(window(50, None, **problem), None)
    summary = windows.summary
    assert (summary.verdict, summary.fake_probability, summary.smoothed) == ("fake", 0.9, 0.9)
    assert (summary.windows, summary.problems, summary.gaps) == (4, 1, 1)
    assert summary.verdicts == {"real": 1, "no_face": 1, "fake": 1}
    assert [(each.number, each.fake_probability) for each in summary.worst] == [(3, 0.9), (1, 0.1)]
    assert (summary.duration_s, summary.judged_s) == (60, 30)
    assert (summary.frames_analyzed, summary.frames_with_face) == (40, 7)
    assert summary.model == MODEL
    assert await stored(objects) == summary, "it is the same when it is read again"
    found = [document async for document in read_windows(objects, "a", 0)]
    assert [document["number"] for document in found] == [1, 2, 3, 4]
    assert found[0]["shots"][0]["tracks"][0]["frames"] == [asdict(face)]
    assert [document["number"] async for document in read_windows(objects, "a", 3)] == [4]
    assert [document async for document in read_windows(objects, "a", 4)] == []
    await windows.end("lost", ["why"])
    assert replace(summary, ended="lost", warnings=["why"]) == await stored(objects)


async def test_a_window_whose_writer_was_lost_is_counted_once(objects: Objects) -> None:
    """The writer was killed after the window was written and before the summary was."""
    windows = await Windows.open(objects, "a")
    await windows.append(window(0, 0.1), MODEL)
    before = await objects.get(result_key("a"))
    await windows.append(window(10, 0.2), MODEL)
    await objects.put(result_key("a"), before)
    again = await Windows.open(objects, "a")
    assert again.summary == windows.summary
    await again.append(window(20, 0.3), MODEL)
    assert again.summary.windows == 3


async def test_two_concurrent_writers_neither_lose_nor_overwrite_windows(objects: Objects) -> None:
    """A worker with an expired lease, and the worker that claimed its job."""
    both = [await Windows.open(objects, "a") for _ in range(2)]

    async def write(windows: Windows, first: int) -> None:
        for number in range(20):
            await windows.append(window(10 * (first + number), (first + number) / 100), MODEL)

    await asyncio.gather(write(both[0], 0), write(both[1], 50))
    found = [document async for document in read_windows(objects, "a", 0)]
    assert [document["number"] for document in found] == list(range(1, 41))
    scores = {round(100 * document["fake_probability"]) for document in found}
    assert scores == {*range(20), *range(50, 70)}
    assert (await stored(objects)).windows == 40


async def test_an_object_is_added_once(objects: Objects) -> None:
    key = window_key("a", 1)
    assert await objects.add(key, b"first")
    assert not await objects.add(key, b"second")
    assert await objects.get(key) == b"first"


def test_the_summary_has_at_most_ten_worst_windows() -> None:
    summary = LiveVerdict(id="a")
    for number in range(1, 200):
        summary = add_window(summary, replace(window(0, (number * 37 % 101) / 101), number=number))
    assert len(summary.worst) == 10
    scores = [each.fake_probability for each in summary.worst]
    assert scores == sorted(scores, reverse=True)
    assert summary.worst[0] == WindowRef(30, 0, 10, "fake", 100 / 101)
