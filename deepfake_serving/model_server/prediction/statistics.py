"""Statistics of a model's requests and batches, in the terms of Triton's statistics extension.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_INPUT_STAGES = ("decode",)
"""Stages of a worker that turn a request into input; the others run the model."""


@dataclass(slots=True)
class Duration:
    """Number of events and the sum of their durations."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.ns += round(seconds * 1e9)

    def document(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass(slots=True)
class BatchStatistics:
    """The batches of one size."""

    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)


@dataclass(slots=True)
class ModelStatistics:
    """Counts since the start of the server. `executions` are batches, `inferences` images."""

    last_inference_ms: int = 0
    inferences: int = 0
    executions: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    batches: dict[int, BatchStatistics] = field(
        default_factory=lambda: defaultdict(BatchStatistics)
    )

    @contextmanager
    def request(self, images: int) -> Iterator[None]:
        """Counts a request, by whether the context ends with an exception."""
        start = time.perf_counter()
        try:
            yield
        except Exception:
            self.fail.add(time.perf_counter() - start)
            raise
        self.success.add(time.perf_counter() - start)
        self.inferences += images
        self.last_inference_ms = round(time.time() * 1000)

    def observe_batch(self, batch: Mapping[str, Any]) -> None:
        """Counts a batch, from the header of its first response: its images and stages."""
        if not batch["items"]:
            return
        self.executions += 1
        by_size, stages = self.batches[batch["items"]], batch["stages"]
        input_s = sum(stages.get(name, 0.0) for name in _INPUT_STAGES)
        infer_s = sum(stages.values()) - input_s
        for target in (self, by_size):
            target.compute_input.add(input_s)
            target.compute_infer.add(infer_s)

    def document(self, name: str, version: str) -> dict[str, Any]:
        """Returns the model's entry in `model_stats`."""
        none = Duration().document()
        batches = [
            {
                "batch_size": size,
                "compute_input": each.compute_input.document(),
                "compute_infer": each.compute_infer.document(),
                "compute_output": none,
            }
            for size, each in sorted(self.batches.items())
        ]
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_inference_ms,
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {
                "success": self.success.document(),
                "fail": self.fail.document(),
                "queue": self.queue.document(),
                "compute_input": self.compute_input.document(),
                "compute_infer": self.compute_infer.document(),
                "compute_output": none,
                "cache_hit": none,
                "cache_miss": none,
            },
            "batch_stats": batches,
        }
