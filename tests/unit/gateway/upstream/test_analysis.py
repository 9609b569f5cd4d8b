"""The analysis of one image: detection and provenance side by side."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

from deepfake_serving.contracts.problems import DeadlineExceeded, Problem, UndecodableMedia
from deepfake_serving.contracts.provenance import Provenance
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.provenance.reader import ProvenanceReader


class FakeUpstream:
    """Responds with a verdict, or raises a problem."""

    def __init__(self, problem: Problem | None = None) -> None:
        self.problem, self.explained = problem, False

    async def detect_image(self, *_: Any, explain: bool, **__: bool) -> bytes:
        self.explained = explain
        await asyncio.sleep(0)
        if self.problem is not None:
            raise self.problem
        return b'{"verdict":"real","provenance":null}'


class FakeReader:
    """Reads at once, or never."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck, self.cancelled = stuck, False

    async def read(self, image: bytes) -> Provenance:
        try:
            if self.stuck:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return Provenance(image.decode())


def run(
    upstream: FakeUpstream,
    reader: FakeReader | None = None,
    *,
    explain: bool = False,
    seconds: float = 3600,
) -> Any:
    analysis = ImageAnalysis(
        cast("Upstream", upstream), "detector", explain, cast("ProvenanceReader | None", reader)
    )

    async def analyse() -> bytes:
        context = RequestContext("id", asyncio.get_running_loop().time() + seconds)
        return await analysis.run(b"image", context)

    return orjson.loads(asyncio.run(analyse()))


def test_the_provenance_joins_the_verdict() -> None:
    document = run(FakeUpstream(), FakeReader())
    assert document["verdict"] == "real"
    assert document["provenance"]["sha256"] == "image"


def test_without_a_request_nothing_is_read() -> None:
    assert run(FakeUpstream())["provenance"] is None


def test_heatmaps_are_requested_of_the_model_server() -> None:
    upstream = FakeUpstream()
    run(upstream, explain=True)
    assert upstream.explained


def test_a_problem_ends_the_reading() -> None:
    reader = FakeReader(stuck=True)
    with pytest.raises(UndecodableMedia):
        run(FakeUpstream(UndecodableMedia("broken")), reader)
    assert reader.cancelled


def test_the_deadline_holds_for_the_reading_too() -> None:
    reader = FakeReader(stuck=True)
    with pytest.raises(DeadlineExceeded, match="provenance"):
        run(FakeUpstream(), reader, seconds=0.01)
    assert reader.cancelled
