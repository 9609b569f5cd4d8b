"""A clean clone as a new user meets it: `make run`, the printed curl line, images, Ctrl-C.

Everything is installed again, so this takes minutes and is not part of `make test`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import skimage.data
from PIL import Image

from tests.support.documented_commands import NEEDS_GO, PAGES, Block, blocks
from tests.support.documented_commands import run as run_block
from tests.support.load import LoadClients
from tests.support.ports import free_port
from tests.support.processes import command
from tests.support.running import GUARD_S
from tests.support.videos import scenes, write_video

pytestmark = pytest.mark.timeout(1800)
_ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Clones the last commit into a new folder, with nothing installed."""
    folder = tmp_path_factory.mktemp("clone") / "deepfake-serving"
    subprocess.run(["git", "clone", "-q", str(_ROOT), str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)  # its .venv takes gigabytes


class MakeRun:
    """`make run` in a clone, in its own process group, as in a terminal."""

    def __init__(self, clone: Path) -> None:
        names: tuple[str, ...] = ("HTTP", "GRPC", "METRICS")
        below = {f"DEEPFAKE_MODEL_SERVER_{name}_PORT": str(free_port()) for name in names}
        above = {
            f"DEEPFAKE_GATEWAY_{name}_PORT": str(free_port()) for name in (*names, "WORKER_METRICS")
        }
        model_server = f"http://127.0.0.1:{below['DEEPFAKE_MODEL_SERVER_HTTP_PORT']}"
        routing = {"pools": [{"name": "default", "url": model_server}]}
        self.url = f"http://127.0.0.1:{above['DEEPFAKE_GATEWAY_HTTP_PORT']}"
        self.grpc = f"127.0.0.1:{above['DEEPFAKE_GATEWAY_GRPC_PORT']}"
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("DEEPFAKE_", "VIRTUAL_"))
        }
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            ["make", f"PYTHON={sys.base_prefix}/bin/python3", "run"],
            cwd=clone,
            env=inherited | below | above | {"DEEPFAKE_GATEWAY_ROUTING": json.dumps(routing)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def curl_line(self, timeout_s: float) -> str:
        """Returns the curl line that it prints when it is ready."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.process.poll() is None:
            for line in tuple(self.output):
                if re.match(r"\s+curl ", line):
                    return line.strip()
            time.sleep(0.1)
        raise AssertionError("no curl line:\n" + "".join(self.output[-60:]))

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> list[psutil.Process]:
        """Sends SIGINT to the process group, like Ctrl-C; returns its processes."""
        running = self.tree()
        os.killpg(self.process.pid, signal.SIGINT)
        self.end()
        return running

    def end(self) -> None:
        self.process.wait(60)
        self._reader.join(10)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.output.extend(lines)


@pytest.fixture(scope="module")
def run(clone: Path) -> Iterator[MakeRun]:
    running = MakeRun(clone)
    running.curl_line(timeout_s=1200)
    print(f"\nmake run, the first time: {time.monotonic() - running.begun:.0f} s")
    yield running
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.end()


def test_the_printed_curl_line_works(run: MakeRun, clone: Path) -> None:
    line = run.curl_line(1)
    completed = subprocess.run(line, shell=True, cwd=clone, capture_output=True, check=True)
    verdict = json.loads(completed.stdout)
    assert len(verdict["faces"]) == 1
    assert verdict["model"]["trained"] is True
    assert verdict["verdict"] == "real", "the astronaut is one"
    assert verdict["model"]["digest"].startswith("sha256:")


def test_startup_shows_progress_and_no_warning_about_the_model(run: MakeRun) -> None:
    text = "".join(run.output)
    for step in ("[1/3]", "[2/3]", "[3/3]", "Ready: open http"):
        assert step in text
    assert "untrained" not in text


@pytest.mark.parametrize(
    "block",
    [each for page in PAGES for each in blocks(page) if not each.listed],
    ids=lambda each: each.name,
)
def test_the_commands_of_the_first_pages_work(run: MakeRun, clone: Path, block: Block) -> None:
    """In the clone, with only what `make run` has installed."""
    if block.commands.startswith(NEEDS_GO) and not shutil.which("go"):
        pytest.skip("go is not installed")
    run_block(block, clone, run.url, run.grpc, {"XDG_DATA_HOME": str(clone / "build" / "home")})


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("one face", 200, 1),
        ("two faces", 200, 2),
        ("no face", 200, 0),
        ("bomb", 422, "too-many-pixels"),
        ("text", 415, "unsupported-media-type"),
        ("truncated", 422, "undecodable-media"),
        ("empty", 400, "invalid-request"),
    ],
)
def test_each_kind_of_body_gets_the_right_response(
    run: MakeRun, name: str, status: int, expected: int | str
) -> None:
    response = httpx.post(f"{run.url}/v1/images", content=_bodies()[name], timeout=GUARD_S)
    assert response.status_code == status
    document = response.json()
    if isinstance(expected, str):
        assert document["type"].endswith(f":{expected}")
        return
    assert len(document["faces"]) == expected
    assert (document["verdict"] == "no_face") == (expected == 0)


def test_a_video_is_classified_from_the_command_line(run: MakeRun, clone: Path) -> None:
    video = clone / "video.mp4"
    write_video(video, scenes())
    program = clone / ".venv/bin/deepfake-serving"
    completed = subprocess.run(
        [program, "submit", video, "--server", run.url, "--wait", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    job = json.loads(completed.stdout)
    assert job["state"] == "succeeded"
    assert job["result"]["verdict"] == "real"
    assert [len(shot["tracks"]) for shot in job["result"]["shots"]] == [1, 0, 2]
    page = httpx.get(run.url, timeout=GUARD_S)
    assert "<title>" in page.text
    assert httpx.get(run.url + job["result"]["gallery"][0], timeout=GUARD_S).content.startswith(
        b"\xff\xd8"
    )


def test_killing_a_worker_under_load_fails_no_request(run: MakeRun) -> None:
    workers = [
        p for p in run.tree() if any(c.endswith("model_service_worker.py") for c in command(p))
    ]
    with LoadClients(f"{run.url}/v1/images", _bodies()["one face"]) as clients:
        clients.until(20)
        workers[0].kill()
        clients.until(60)
        counts = clients.stop()
    print(f"\nkill -9 of a worker, 8 clients: {counts.statuses[200]} good, {counts.failed} failed")
    assert counts.failed == []


def test_ctrl_c_under_load_loses_no_request_and_leaves_no_process(run: MakeRun) -> None:
    with LoadClients(f"{run.url}/v1/images", _bodies()["one face"]) as clients:
        clients.until(20)
        running = run.interrupt()
        counts = clients.stop()
    print(f"\nCtrl-C, 8 clients: {counts.statuses[200]} succeeded, {counts.failed} failed")
    assert counts.failed == []
    _, alive = psutil.wait_procs(running, timeout=10)
    assert alive == []


def test_the_second_start_is_fast(run: MakeRun, clone: Path) -> None:
    again = MakeRun(clone)
    again.curl_line(timeout_s=120)
    print(f"\nmake run, the second time: {time.monotonic() - again.begun:.0f} s")
    assert "Installed" not in "".join(again.output)
    _, alive = psutil.wait_procs(again.interrupt(), timeout=10)
    assert alive == []


def test_the_command_line_classifies_hundreds_of_images(run: MakeRun, clone: Path) -> None:
    folder = clone / "images"
    folder.mkdir()
    for number in range(200):
        shutil.copy(
            clone / "deepfake_serving/model_server/assets/warmup.jpg", folder / f"{number:03}.jpg"
        )
    (folder / "100.jpg").write_text("not an image")
    files = sorted(folder.iterdir())
    completed = subprocess.run(
        [clone / ".venv/bin/deepfake-serving", "detect", "--json", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    responses = [json.loads(line) for line in completed.stdout.splitlines()]
    assert completed.returncode == 1
    assert [a["file"] for a in responses] == [str(f) for f in files]
    assert ["type" in a for a in responses] == [n == 100 for n in range(200)]


def _bodies() -> dict[str, bytes]:
    astronaut = skimage.data.astronaut()
    one = _encoded(astronaut, "JPEG")
    bomb = bytearray(_encoded(np.zeros((1, 1, 3), np.uint8), "BMP"))
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2
    return {
        "one face": one,
        "two faces": _encoded(np.hstack([astronaut, astronaut[:, ::-1]]), "PNG"),
        "no face": _encoded(skimage.data.coffee(), "WEBP"),
        "bomb": bytes(bomb),
        "text": b"this is no image\n",
        "truncated": one[: len(one) // 3],
        "empty": b"",
    }


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()
