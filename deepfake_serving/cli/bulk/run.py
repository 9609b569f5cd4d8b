"""Runs the chunks of a list on Ray Data: actors, retries and placement are Ray's.

A row of the dataset is the number of a chunk; a pool of actors maps each to the count of its files
(https://docs.ray.io/en/latest/data/api/doc/ray.data.Dataset.map_batches.html). Files don't pass
through Ray's object store: an actor reads them where they are and writes its tables itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import ray
from ray.data import ActorPoolStrategy, DataContext

from deepfake_serving.cli.bulk.worker import ChunkWorker, WorkerOptions

_OBJECT_STORE_BYTES = 128 * 2**20  # of a cluster of our own, where it holds numbers of chunks only
_MAX_BLOCKS = 10_000


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of the workers. `workers` None takes what the cluster has, also as it grows."""

    workers: int | None
    cpus: float
    gpus: float


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connects to a cluster (`auto`, `host:port`, `ray://…`), or starts one on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its log files say more
    if address is None:
        ray.init(
            "local",  # not a cluster that happens to run here
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    else:
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def analyse_chunks(
    chunks: Sequence[int], options: WorkerOptions, resources: Resources
) -> Iterator[int]:
    """Yields the count of files of each chunk as it is done, in any order."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # what stays undone is found in the destination
    rows = ray.data.from_items(
        [{"chunk": number} for number in chunks],
        override_num_blocks=min(len(chunks), _MAX_BLOCKS),
    )
    results = rows.map_batches(
        ChunkWorker,
        fn_constructor_args=(options,),
        batch_size=1,
        compute=_pool(resources),
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
    )
    for row in results.iter_rows():
        yield int(row["files"])


def _pool(resources: Resources) -> ActorPoolStrategy:
    if resources.workers is not None:
        return ActorPoolStrategy(
            min_size=1, max_size=resources.workers, initial_size=resources.workers
        )
    return ActorPoolStrategy(min_size=1, max_tasks_in_flight_per_actor=2)
