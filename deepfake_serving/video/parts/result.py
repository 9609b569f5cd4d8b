"""The result of a part of a video, and how those of all parts become that of the video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.accumulator import VideoAccumulator
from deepfake_serving.video.isolation.messages import VideoSummary
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.scene_cuts import SceneCut


class NotDivisible(Exception):
    """The parts of a video don't fit: only the whole can be analysed."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """The result of a part; the whole video is part 0, without an end.

    `begin` is the cut that it begins with, None of the first part, and of one that is empty. `end`
    is the cut that the next one begins with; None where the video ended, or its analysis.
    """

    part: Part
    begin: SceneCut | None
    end: SceneCut | None
    video: VideoSummary
    size: tuple[int, int] | None
    seconds: dict[str, float]
    accumulator: VideoAccumulator

    @property
    def empty(self) -> bool:
        """Whether the part before goes on to the end of this one."""
        return self.part.number > 0 and self.begin is None

    def verdict(self, options: VideoOptions) -> VideoVerdict:
        """Aggregates the verdict.

        Raises:
            Problem: no frame was scored, and why.
        """
        return self.accumulator.verdict(self.video, self.size, self.seconds, options)


def missing(results: Mapping[int, PartResult], max_frames: int) -> int | None:
    """Returns the number of the first part without a result; None: none is needed.

    Parts after the limit of sampled frames, or after the end of the video, are not needed.
    """
    number: int | None = 0
    sampled = 0
    while number is not None and number in results and sampled <= max_frames:
        end = results[number].end
        sampled += results[number].accumulator.sampled
        number = None if end is None else end.part
    return number if sampled <= max_frames else None


def sequence(results: Mapping[int, PartResult]) -> list[PartResult]:
    """Returns the parts that are not empty, in order, up to where the analysis ends.

    Args:
        results: those of parts by their numbers, until none is `missing`.

    Raises:
        NotDivisible: they don't fit together.
    """
    found = [results[0]]
    while (end := found[-1].end) is not None:
        following = None if end.part is None else results.get(end.part)
        if following is None:
            break
        found.append(following)
        if following.begin != end:
            raise NotDivisible(f"part {end.part} does not begin where the one before ends")
    if not all(each.video.steady for each in found):
        raise NotDivisible("the video is damaged, or not of one kind")
    if len({each.size for each in found if each.size}) > 1:
        raise NotDivisible("the size of the frames changes")
    used = {each.part.number for each in found}
    ended = found[-1].end is None and found[-1].video.complete
    if ended and not all(r.empty for n, r in results.items() if n not in used):
        raise NotDivisible("the video ends in several parts")
    return found


def beyond_limit(found: Sequence[PartResult], max_frames: int) -> Part | None:
    """Returns the part in which the video exceeds the limit of sampled frames; None: in no part.

    It has to be analysed again, with the number of frames before it.
    """
    sampled = 0
    for result in found:
        before, sampled = sampled, sampled + result.accumulator.sampled
        if sampled > max_frames:
            return Part(result.part.number, before)
    return None


def merged(found: Sequence[PartResult]) -> PartResult:
    """Returns the result of the whole video from those of its parts, in order.

    Its shots are counted again. `renumbered` has the new names of the images.
    """
    first, last = found[0], found[-1]
    accumulator = VideoAccumulator(first.accumulator.similarity)
    seconds = Counter[str]()
    for result in found:
        accumulator.append(result.accumulator)
        seconds.update(result.seconds)
    video = replace(
        last.video,
        thinned=sum(each.video.thinned for each in found),
        warnings=list(dict.fromkeys(text for each in found for text in each.video.warnings)),
    )
    return PartResult(first.part, None, None, video, first.size, dict(seconds), accumulator)
