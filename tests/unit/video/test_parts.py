"""Parts of a video, each read alone by a seek: together they have the result of the whole."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.worker.part_document import part_from_json, part_to_json
from deepfake_serving.video.analyse import analyse, analyse_part
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Boundaries, Part, part_starts
from deepfake_serving.video.parts.joining import Joins, alone
from deepfake_serving.video.parts.renumbering import renumbered
from deepfake_serving.video.parts.result import (
    NotDivisible,
    PartResult,
    beyond_limit,
    merged,
    missing,
    sequence,
)
from deepfake_serving.video.people.embedder import FaceEmbedder
from deepfake_serving.video.sampling import Sampling
from tests.support.films import LENGTHS, SECONDS, detect, textures
from tests.support.person_models import write_model
from tests.support.videos import RATE, write_video


@dataclass
class Analysed:
    """A verdict, and the images by name."""

    verdict: VideoVerdict
    images: dict[str, bytes]

    def differences(self, other: Analysed) -> list[str]:
        """Returns what differs, but for times."""
        names = {each.name for each in dataclasses.fields(VideoVerdict)} - {"timings_ms"}
        unequal = [n for n in names if getattr(self.verdict, n) != getattr(other.verdict, n)]
        return unequal + ["images"] * (self.images != other.images)


class Analyst:
    """Analyses a file as a whole, or by parts."""

    def __init__(self, path: Path, embedder: FaceEmbedder | None = None, **options: Any) -> None:
        self.path, self.options, self.embedder = path, VideoOptions(**options), embedder
        self.images: dict[int, dict[str, bytes]] = {}

    async def whole(self) -> Analysed:
        images: dict[str, bytes] = {}

        async def save(name: str, data: bytes) -> None:
            images[name] = data

        verdict = await analyse(
            self.path, detect, self.options, save, lambda _: None, self.embedder
        )
        return Analysed(verdict, images)

    async def part(self, part: Part, joins: Joins = alone) -> PartResult:
        images = self.images[part.number] = {}

        async def save(name: str, data: bytes) -> None:
            images[name] = data

        result = await analyse_part(
            self.path,
            detect,
            self.options,
            save,
            lambda _: None,
            self.embedder,
            part,
            joins=joins,
        )
        return part_from_json(part_to_json(result))  # as workers pass it on

    async def divided(self) -> tuple[Analysed, list[PartResult]]:
        """Analyses the last part first, so that none profits from another."""
        first = await self.part(Part(0))
        numbers = range(len(first.video.part_starts) - 1, 0, -1)
        results = {0: first} | {n: await self.part(Part(n)) for n in numbers}
        found = sequence(results)
        while (again := beyond_limit(found, self.options.max_frames)) is not None:
            results[again.number] = await self.part(again)
            found = sequence(results)
        return self.merged(found), found

    def merged(self, found: list[PartResult]) -> Analysed:
        images, shots = dict[str, bytes](), 0
        for result in found:
            own = self.images[result.part.number]
            images |= {renumbered(name, shots): data for name, data in own.items()}
            shots += len(result.accumulator.shots)
        return Analysed(merged(found).verdict(self.options), images)


CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "short closed groups": ("mp4", "libx264", {"g": "12"}),
    "open groups with B frames": (
        "mp4",
        "libx264",
        {"preset": "medium", "x264-params": "open-gop=1:bframes=3:keyint=40:min-keyint=1"},
    ),
    "one group": ("mkv", "libx264", {"preset": "medium", "g": "9999", "sc_threshold": "0"}),
    "open HEVC": ("mp4", "libx265", {"x265-params": "open-gop=1:keyint=30:log-level=none"}),
    "VP9": ("webm", "libvpx-vp9", {"g": "40", "deadline": "realtime"}),
    "MPEG-4": ("mp4", "mpeg4", {"g": "40", "bf": "2"}),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    _, codec, options = CODECS["short closed groups"]
    return write_video(path, textures(LENGTHS), codec=codec, codec_options=options)


async def test_any_number_of_parts_has_the_result_of_the_whole(film: Path) -> None:
    for count in (2, 3, 7):
        analyst = Analyst(film, part_s=SECONDS / count)
        divided, found = await analyst.divided()
        assert len(found) > 1
        assert divided.differences(await analyst.whole()) == []


@pytest.mark.parametrize("isolated", [False, True])
async def test_joined_parts_have_the_result_of_the_whole(film: Path, isolated: bool) -> None:
    analyst = Analyst(film, part_s=SECONDS / 4, isolated=isolated)
    offered: list[int] = []

    async def two(number: int) -> bool:
        offered.append(number)
        return number == 1

    first = await analyst.part(Part(0), two)
    assert offered == [1, 2]
    assert first.end is not None
    assert first.end.part == 2
    results = {0: first} | {number: await analyst.part(Part(number)) for number in (2, 3)}
    assert missing(results, 10**9) is None
    found = sequence(results)
    assert [each.part.number for each in found] == [0, 2, 3]
    assert analyst.merged(found).differences(await analyst.whole()) == []


async def test_an_analysis_that_waits_for_a_decision_is_cancelled(film: Path) -> None:
    analyst = Analyst(film, part_s=SECONDS / 4)
    offered = asyncio.Event()

    async def undecided(_: int) -> bool:
        offered.set()
        await asyncio.Event().wait()
        raise AssertionError

    analysis = asyncio.create_task(analyst.part(Part(0), undecided))
    await offered.wait()
    analysis.cancel()
    with pytest.raises(asyncio.CancelledError):
        await analysis


async def test_people_are_found_in_all_parts(film: Path, tmp_path: Path) -> None:
    embedder = FaceEmbedder(write_model(tmp_path, similarity=0.95))
    analyst = Analyst(film, embedder, part_s=SECONDS / 3)
    divided, found = await analyst.divided()
    assert divided.differences(await analyst.whole()) == []
    shots, begin, numbers = divided.verdict.shots, 0, []
    for result in found:
        own = shots[begin : begin + len(result.accumulator.shots)]
        numbers.append({track.person for shot in own for track in shot.tracks})
        begin += len(own)
    assert set.intersection(*numbers) - {None}, "a person of every part"
    assert len(set.union(*numbers)) > 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", CODECS)
async def test_frames_after_a_seek_are_those_of_the_whole(kind: str, tmp_path: Path) -> None:
    container, codec, options = CODECS[kind]
    path = write_video(
        tmp_path / f"film.{container}", textures(LENGTHS), codec=codec, codec_options=options
    )
    analyst = Analyst(path, part_s=SECONDS / 3)
    divided, found = await analyst.divided()
    assert [each.part.number for each in found] == [0, 1, 2]
    assert divided.differences(await analyst.whole()) == []


@pytest.mark.parametrize(
    ("sampling", "limit"),
    [("every:3", 25), ("fps:5", 20_000), ("uniform:30", 25), ("per_shot:8", 20_000)],
)
async def test_every_sampling_is_divided_and_limited_alike(
    sampling: str, limit: int, film: Path
) -> None:
    analyst = Analyst(
        film,
        part_s=SECONDS / 4,
        sampling=Sampling.parse(sampling),
        max_frames=limit,
        max_frames_per_shot=16,
    )
    (divided, _), whole = await analyst.divided(), await analyst.whole()
    assert divided.differences(whole) == []
    assert whole.verdict.complete is (limit > 25)


async def test_a_video_without_cuts_is_one_part(tmp_path: Path) -> None:
    path = write_video(tmp_path / "lecture.mp4", textures([30 * RATE]))
    analyst = Analyst(path, part_s=6.0)
    divided, found = await analyst.divided()
    assert [each.part.number for each in found] == [0]
    assert divided.differences(await analyst.whole()) == []


@pytest.mark.parametrize("options", [{"part_s": None}, {"part_s": 100.0}, {"shots": False}])
async def test_a_short_video_is_not_divided(options: dict[str, Any], film: Path) -> None:
    given = {"part_s": 8.0} | options
    assert (await Analyst(film, **given).part(Part(0))).video.part_starts == [0.0]


async def test_a_format_without_an_index_is_not_divided(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.ts", textures(LENGTHS[:8]), codec="mpeg2video")
    assert (await Analyst(path, part_s=2.0).part(Part(0))).video.part_starts == [0.0]


async def test_parts_that_do_not_fit_are_refused(film: Path) -> None:
    analyst = Analyst(film, part_s=SECONDS / 2)
    first, second = [await analyst.part(Part(number)) for number in range(2)]
    assert len(sequence({0: first, 1: second})) == 2
    assert second.begin is not None
    moved = dataclasses.replace(second.begin, checksum=second.begin.checksum ^ 1)
    with pytest.raises(NotDivisible, match="does not begin where"):
        sequence({0: first, 1: dataclasses.replace(second, begin=moved)})
    damaged = dataclasses.replace(second.video, steady=False)
    with pytest.raises(NotDivisible, match="damaged"):
        sequence({0: first, 1: dataclasses.replace(second, video=damaged)})
    with pytest.raises(NotDivisible, match="several parts"):
        sequence({0: dataclasses.replace(first, end=None), 1: second})
    assert missing({0: first}, 20_000) == 1
    assert missing({0: first, 1: second}, 20_000) is None
    assert missing({0: first}, first.accumulator.sampled - 1) is None
    assert beyond_limit([first], first.accumulator.sampled - 1) == Part(0)
    other = dataclasses.replace(second, size=(8, 8))
    with pytest.raises(NotDivisible, match="size"):
        sequence({0: first, 1: other})


async def test_a_damaged_video_does_not_fit(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", textures(LENGTHS))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40_000] = bytes(40_000)
    path.write_bytes(data)
    with pytest.raises(NotDivisible):
        await Analyst(path, part_s=SECONDS / 3).divided()


@given(
    cuts=st.lists(st.floats(0.05, 9.0), max_size=80).map(np.cumsum),
    count=st.integers(2, 8),
    known_s=st.floats(0.0, 50.0),
)
def test_both_parts_at_a_cut_find_it(cuts: list[float], count: int, known_s: float) -> None:
    """One has seen all cuts, the other those after a time that is early enough."""
    starts = part_starts(120.0, 120.0 / count)

    def found(known_s: float) -> dict[int, float]:
        boundaries = Boundaries(starts, 1.5)
        boundaries.begin(known_s)
        later = [t_s for t_s in map(float, cuts) if t_s > known_s]
        return {number: t_s for t_s in later if (number := boundaries.part_of(t_s)) is not None}

    everything = found(0.0)
    assert everything.keys() <= set(range(1, len(starts)))
    for number, start in enumerate(starts):
        if start >= known_s + 1.5:
            assert found(known_s).get(number) == everything.get(number)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shot-1.jpg", "shot-13.jpg"),
        ("track-2-1-high.jpg", "track-14-1-high.jpg"),
        ("track-9-3-heatmap-1.png", "track-21-3-heatmap-1.png"),
        ("4-2", "16-2"),
    ],
)
def test_a_name_counts_the_shots_of_the_video(name: str, expected: str) -> None:
    assert renumbered(name, 12) == expected


@pytest.mark.parametrize(
    ("duration_s", "starts"),
    [(None, 1), (449.0, 1), (451.0, 2), (7200.0, 24)],
)
def test_parts_are_of_about_equal_length(duration_s: float | None, starts: int) -> None:
    found = part_starts(duration_s, 300.0)
    assert len(found) == starts
    assert part_starts(duration_s, None) == [0.0]
