"""`deepfake-serving bulk` on a real Ray cluster: nothing lost, nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deepfake_serving.packaging.archive import Archive
from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg
from tests.support.paths import ROOT
from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.videos import write_video

pytestmark = pytest.mark.slow

IMAGES, CHUNK = 160, 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def source(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits by the same name in folders, one damaged file and one video."""
    folder = tmp_path_factory.mktemp("source")
    image = jpeg(astronaut)
    for number in range(IMAGES):
        path = folder / f"{number % 7}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(image)
    (folder / "damaged.jpg").write_bytes(image[:1000])
    write_video(folder / "film.mp4", [astronaut] * 10)
    return folder


class Bulk:
    """Runs the command as a process of its own."""

    def __init__(self, archive: Archive, source: Path, out: Path, address: str | None) -> None:
        self.out = out
        options = ["--chunk", str(CHUNK), "--archive", str(archive.path)]
        options += [] if address is None else ["--address", address]
        self._command = [sys.executable, "-m", "deepfake_serving", "bulk", str(source)]
        self._command += ["--out", str(out), *options]

    def start(self, **variables: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
        environment |= variables
        return subprocess.Popen(self._command, env=environment, text=True, **pipes)

    def done(self) -> int:
        return len(list(self.out.glob("files/*.parquet")))

    def wait_until_done(self, chunks: int, process: subprocess.Popen[str]) -> None:
        while self.done() < chunks:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)


def check_rows(source: Path, out: Path) -> None:
    """Checks that every file has exactly one row, and every portrait one face."""
    files = pq.read_table(out / "files").to_pylist()
    expected = {str(path) for path in source.rglob("*") if path.is_file()}
    assert Counter(row["path"] for row in files) == Counter(expected)
    problems = {Path(row["path"]).name: row["problem"] for row in files if row["problem"]}
    assert set(problems) == {"damaged.jpg"}
    assert problems["damaged.jpg"].endswith(":undecodable-media")
    faces = Counter(Path(row["path"]).name for row in pq.read_table(out / "faces").to_pylist())
    assert faces == Counter({f"{number}.jpg": 1 for number in range(IMAGES)} | {"film.mp4": 1})
    images = [row for row in files if row["kind"] == "image" and not row["problem"]]
    assert len({row["fake_probability"] for row in images}) == 1
    assert len({row["sha256"] for row in images}) == 1


def test_a_killed_run_goes_on_where_it_was(
    archives: dict[str, Archive], source: Path, tmp_path: Path, cluster: RayCluster
) -> None:
    bulk = Bulk(archives["detector"], source, tmp_path / "out", cluster.address)
    with bulk.start() as first:
        bulk.wait_until_done(5, first)
        first.kill()
    times = {path: path.stat().st_mtime_ns for path in bulk.out.glob("files/*.parquet")}
    with bulk.start() as second:
        output, _ = second.communicate()
        assert second.returncode == 0, output
    written = {path.stat().st_mtime_ns for path in times} - set(times.values())
    assert len(written) <= 2, "chunks that were done were analysed again"
    check_rows(source, bulk.out)


def test_a_store_that_fails_leaves_its_chunk_for_the_next_run(
    archives: dict[str, Archive], source: Path, tmp_path: Path
) -> None:
    """On a cluster of its own, whose workers have this process's environment."""
    listing = tmp_path / "list.txt"
    listing.write_text(f"{source}/0/0.jpg\n" * CHUNK + "s3://archive/a.jpg\n")
    bulk = Bulk(archives["detector"], listing, tmp_path / "out", None)
    with bulk.start(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ALLOW_HTTP="true") as process:
        output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "1 chunks are not done: their workers died or a store failed; run it again" in output
    assert [path.name for path in (bulk.out / "files").iterdir()] == ["part-00000000.parquet"]


def test_a_node_that_dies_loses_no_image_and_doubles_none(
    archives: dict[str, Archive], source: Path, tmp_path: Path, cluster: RayCluster
) -> None:
    """The last test of the module: the cluster has one node after it."""
    bulk = Bulk(archives["detector"], source, tmp_path / "out", cluster.address)
    with bulk.start() as process:
        bulk.wait_until_done(8, process)
        cluster.kill_second_node()
        output, _ = process.communicate()
        assert process.returncode == 0, output
    check_rows(source, bulk.out)
