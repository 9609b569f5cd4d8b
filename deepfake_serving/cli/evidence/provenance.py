"""Provenance of images that are analysed in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.provenance.reader import ProvenanceReader
from model_handlers.pipeline.tasks import Outcome


def add_provenance(
    outcomes: Sequence[Outcome], contents: Sequence[bytes | Problem], reader: ProvenanceReader
) -> list[Outcome]:
    """Adds the provenance of each image to its verdict."""

    async def add(outcome: Outcome, data: bytes | Problem) -> Outcome:
        if isinstance(outcome, ImageVerdict) and isinstance(data, bytes):
            return replace(outcome, provenance=await reader.read(data))
        return outcome

    async def add_all() -> list[Outcome]:
        return await asyncio.gather(*map(add, outcomes, contents))

    return asyncio.run(add_all())
