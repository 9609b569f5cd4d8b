"""Memory of `deepfake-serving bulk` over many images.

    python -m benchmarks.load.bulk_memory [--images 200000] [--csv memory.csv] -- [options of bulk]

Nothing is asserted. The images are 96 pixels wide and one in 50 shows a face, so that many pass
in a short time; they are links to a thousand files. A line of the file has the MiB of each
kind of process, without what it shares with others: the command, Ray's raylet and GCS, the largest
worker. `shared` is what the raylet shares, with Ray's object store. Images count when their table
is written.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import psutil
import skimage.data

_VARIANTS = 1_000
_PER_FOLDER = 5_000
_SIZE, _MARGIN = 96, 36
_CHUNK = 256
_MIB = 2**20
_KINDS = {"raylet": "raylet", "gcs_server": "gcs", "ray::Map": "worker"}
"""Kinds of processes by how their names begin; Ray names a worker after what it runs."""
_FIELDS = ("seconds", "images", "command", "raylet", "gcs", "workers", "worker", "shared")


def write_images(folder: Path, count: int) -> None:
    """Writes `count` JPEGs: cut-outs of four scenes, brighter or darker, of several qualities."""
    face = skimage.data.astronaut()[:320, 64:384]
    others = [skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    side = _SIZE + _MARGIN
    scenes = [cv2.resize(scene, (side, side)) for scene in (face, *others)]
    random = np.random.default_rng(0)
    variants = []
    for number in range(min(count, _VARIANTS)):
        x, y = random.integers(0, _MARGIN, 2)
        scene = scenes[1 + number % 3 if number % 50 else 0]
        image = scene[y : y + _SIZE, x : x + _SIZE, ::-1] * random.uniform(0.6, 1.2)
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(60, 96))]
        _, encoded = cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), quality)
        variants.append(_path(folder, number))
        variants[-1].write_bytes(encoded.tobytes())
    for number in range(len(variants), count):
        os.link(variants[number % len(variants)], _path(folder, number))


def _path(folder: Path, number: int) -> Path:
    path = folder / f"{number // _PER_FOLDER:04d}" / f"{number:07d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def sampled(process: psutil.Process, out: Path, period_s: float) -> Iterator[dict[str, int]]:
    """Yields the memory in MiB by kind of process, until the command ends."""
    begun = time.monotonic()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        private: dict[str, list[int]] = defaultdict(list)
        shared = 0
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory, kind = each.memory_info(), _kind(each, process)
                private[kind].append((memory.rss - memory.shared) // _MIB)
                shared = max(shared, memory.shared // _MIB) if kind == "raylet" else shared
        done = sum(1 for _ in out.glob("files/*.parquet")) * _CHUNK
        workers = private["worker"]
        yield {
            "seconds": round(time.monotonic() - begun),
            "images": done,
            **{kind: max(private[kind], default=0) for kind in ("command", "raylet", "gcs")},
            "workers": len(workers),
            "worker": max(workers, default=0),
            "shared": shared,
        }
        time.sleep(period_s)


def _kind(process: psutil.Process, command: psutil.Process) -> str:
    if process.pid == command.pid:
        return "command"
    name = process.name()
    return next((kind for start, kind in _KINDS.items() if name.startswith(start)), "other")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--csv", type=Path, default=Path("bulk-memory.csv"))
    parser.add_argument("--period-s", type=float, default=15.0)
    parser.add_argument("options", nargs="*", help="of `bulk`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulk-") as scratch, given.csv.open("w") as file:
        source, out = Path(scratch) / "source", Path(scratch) / "result"
        write_images(source, given.images)
        command = [sys.executable, "-m", "deepfake_serving", "bulk", str(source), "--out", str(out)]
        command += ["--chunk", str(_CHUNK), *given.options]
        lines = csv.DictWriter(file, _FIELDS)
        lines.writeheader()
        with subprocess.Popen(command) as running:
            for sample in sampled(psutil.Process(running.pid), out, given.period_s):
                lines.writerow(sample)
                file.flush()
        print(f"exit code {running.returncode}")


if __name__ == "__main__":
    main()
