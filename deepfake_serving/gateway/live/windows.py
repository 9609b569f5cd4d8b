"""Stored windows of a live source: appended one by one, never changed, with a summary.

jobs/<id>/windows/000001.json   a `Window`
jobs/<id>/result.json           the `LiveVerdict` over all of them so far
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import orjson

from deepfake_serving.contracts.live import EndOfSource, LiveVerdict, Window, WindowRef
from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.gateway.storage.objects import Objects

_WORST = 10
_CONCURRENT_READS = 8


def window_key(job_id: str, number: int) -> str:
    """Returns the object key of a window."""
    return f"jobs/{job_id}/windows/{number:06d}.json"


def result_key(job_id: str) -> str:
    """Returns the object key of the result."""
    return f"jobs/{job_id}/result.json"


class Windows:
    """The windows of one job, as the worker that follows its source writes them."""

    def __init__(self, objects: Objects, summary: LiveVerdict) -> None:
        self._objects, self.summary = objects, summary
        self._id = str(summary.id)

    @classmethod
    async def open(cls, objects: Objects, job_id: str) -> Windows:
        """Opens the windows that earlier attempts have appended."""
        try:
            summary = parse_summary(await objects.get(result_key(job_id)))
        except NotFound:
            summary = LiveVerdict(id=job_id)
        opened = cls(objects, summary)
        await opened._catch_up()
        return opened

    async def append(self, window: Window, model: ModelRef | None) -> None:
        """Writes the window under the next free number, also with concurrent writers."""
        while True:
            numbered = replace(window, number=self.summary.windows + 1)
            key = window_key(self._id, numbered.number)
            if await self._objects.add(key, orjson.dumps(numbered)):
                break
            await self._catch_up()
        self.summary = replace(
            add_window(self.summary, numbered), model=model or self.summary.model
        )
        await self._write_summary()

    async def end(self, reason: EndOfSource, warnings: list[str]) -> None:
        """Records why the source ended."""
        self.summary = replace(
            self.summary, ended=reason, warnings=[*self.summary.warnings, *warnings]
        )
        await self._write_summary()

    async def _catch_up(self) -> None:
        """Adds windows to the summary whose writer was lost before it wrote the summary."""
        async for document in read_windows(self._objects, self._id, self.summary.windows):
            self.summary = add_window(self.summary, Window(**document))

    async def _write_summary(self) -> None:
        await self._objects.put(result_key(self._id), orjson.dumps(self.summary))


async def read_windows(
    objects: Objects, job_id: str, after: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Yields the windows with numbers above `after`."""
    while True:
        numbers = range(after + 1, after + 1 + _CONCURRENT_READS)
        documents = await asyncio.gather(
            *(_read_window(objects, window_key(job_id, n)) for n in numbers)
        )
        for document in documents:
            if document is None:
                return
            yield document
        after += _CONCURRENT_READS


async def _read_window(objects: Objects, key: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = orjson.loads(await objects.get(key))
    except NotFound:
        return None
    return document


def parse_summary(data: bytes) -> LiveVerdict:
    """Parses a stored summary."""
    document = orjson.loads(data)
    document["worst"] = [WindowRef(**each) for each in document["worst"]]
    document["model"] = document["model"] and ModelRef(**document["model"])
    return LiveVerdict(**document)


def add_window(summary: LiveVerdict, window: Window) -> LiveVerdict:
    """Returns the summary with one more window."""
    counted = replace(
        summary,
        windows=window.number,
        gaps=summary.gaps + (window.gap is not None),
        duration_s=window.end_s,
    )
    if window.verdict is None:
        return replace(counted, problems=summary.problems + 1)
    verdicts = summary.verdicts | {window.verdict: summary.verdicts.get(window.verdict, 0) + 1}
    worst = _worst(summary.worst, window)
    return replace(
        counted,
        verdict=worst[0].verdict if worst else "no_face",
        fake_probability=worst[0].fake_probability if worst else None,
        smoothed=window.smoothed,
        verdicts=verdicts,
        worst=worst,
        frames_analyzed=summary.frames_analyzed + window.frames_analyzed,
        frames_with_face=summary.frames_with_face + window.frames_with_face,
        judged_s=round(summary.judged_s + window.end_s - window.start_s, 3),
    )


def _worst(worst: list[WindowRef], window: Window) -> list[WindowRef]:
    """Returns the windows with the highest scores, the highest first."""
    if window.verdict is None or window.fake_probability is None:
        return worst
    ref = WindowRef(
        window.number, window.start_s, window.end_s, window.verdict, window.fake_probability
    )
    return sorted([*worst, ref], key=lambda each: -each.fake_probability)[:_WORST]
