"""A Ray cluster of two nodes on this machine, as a process of its own.

`python -m tests.support.ray_cluster` prints the cluster's address; a line on stdin kills the second
node's raylet with its workers, and the end of stdin the whole cluster.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.paths import ROOT

_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@dataclass(frozen=True)
class RayCluster:
    """A head node and a second node, with one CPU each."""

    address: str
    process: subprocess.Popen[str]

    def kill_second_node(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Starts a cluster, and ends it with all its processes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    command = [sys.executable, "-m", "tests.support.ray_cluster"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout is not None
        yield RayCluster(process.stdout.readline().strip(), process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    from ray.cluster_utils import Cluster

    logging.disable(logging.WARNING)
    cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
    second = cluster.add_node(**_NODE)
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
