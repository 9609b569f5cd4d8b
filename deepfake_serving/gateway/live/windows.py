"""Windows of a live source, kept: appended one by one, never changed, and summed up.

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
_TOGETHER = 8
"""Objects that are read at once."""


def window_key(job_id: str, number: int) -> str:
    return f"jobs/{job_id}/windows/{number:06d}.json"


def result_key(job_id: str) -> str:
    return f"jobs/{job_id}/result.json"


class Windows:
    """The windows of one job, for the worker that follows its source."""

    def __init__(self, objects: Objects, summary: LiveVerdict) -> None:
        self._objects, self.summary = objects, summary
        self._id = str(summary.id)

    @classmethod
    async def open(cls, objects: Objects, job_id: str) -> Windows:
        """With all that earlier attempts have appended."""
        try:
            summary = parse_summary(await objects.get(result_key(job_id)))
        except NotFound:
            summary = LiveVerdict(id=job_id)
        opened = cls(objects, summary)
        await opened._catch_up()
        return opened

    async def append(self, window: Window, model: ModelRef | None) -> None:
        """Writes the window under the next free number, whoever else may be writing."""
        while True:
            numbered = replace(window, number=self.summary.windows + 1)
            key = window_key(self._id, numbered.number)
            if await self._objects.add(key, orjson.dumps(numbered)):
                break
            await self._catch_up()
        self.summary = replace(added(self.summary, numbered), model=model or self.summary.model)
        await self._write()

    async def end(self, why: EndOfSource, warnings: list[str]) -> None:
        """Notes why there will be no more."""
        self.summary = replace(
            self.summary, ended=why, warnings=[*self.summary.warnings, *warnings]
        )
        await self._write()

    async def _catch_up(self) -> None:
        """Counts windows that were written, but not summed up before their writer was lost."""
        async for document in read(self._objects, self._id, self.summary.windows):
            self.summary = added(self.summary, Window(**document))

    async def _write(self) -> None:
        await self._objects.put(result_key(self._id), orjson.dumps(self.summary))


async def read(objects: Objects, job_id: str, after: int) -> AsyncGenerator[dict[str, Any], None]:
    """The windows whose numbers follow, as far as there are any."""
    while True:
        numbers = range(after + 1, after + 1 + _TOGETHER)
        found = await asyncio.gather(*(_one(objects, window_key(job_id, n)) for n in numbers))
        for document in found:
            if document is None:
                return
            yield document
        after += _TOGETHER


async def _one(objects: Objects, key: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = orjson.loads(await objects.get(key))
    except NotFound:
        return None
    return document


def parse_summary(data: bytes) -> LiveVerdict:
    document = orjson.loads(data)
    document["worst"] = [WindowRef(**each) for each in document["worst"]]
    document["model"] = document["model"] and ModelRef(**document["model"])
    return LiveVerdict(**document)


def added(summary: LiveVerdict, window: Window) -> LiveVerdict:
    """The summary with one more window."""
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
    """The highest first; of equals the earlier."""
    if window.verdict is None or window.fake_probability is None:
        return worst
    found = WindowRef(
        window.number, window.start_s, window.end_s, window.verdict, window.fake_probability
    )
    return sorted([*worst, found], key=lambda each: -each.fake_probability)[:_WORST]
