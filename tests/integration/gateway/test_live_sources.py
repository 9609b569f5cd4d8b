"""Live sources as jobs, from a real gateway and worker, analysed by the real model server."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import skimage.data
from aiohttp import web

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.media_servers import (
    GrowingPlaylist,
    RTSPServer,
    description,
    rtp_packets,
    serving,
    write_hls,
)
from tests.support.published_schema import checked_client
from tests.support.requests import problem_of, rpc_problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import pan, scenes, write_video

pytestmark = pytest.mark.integration

Start = Callable[[Coroutine[Any, Any, Any]], Future[Any]]

SETTINGS = {
    "source_enabled": True,
    "fetch_private": "127.0.0.1/32",
    "source_window_s": 2,
    "source_reconnect_timeout_s": 10,
    "lease_s": 2,
    "source_max_jobs": 3,
    "worker_sources": 2,
}


@pytest.fixture(scope="module")
def following(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """Starts a gateway that follows live sources."""
    data = tmp_path_factory.mktemp("following")
    with RunningGateway.start(data, server.url, **SETTINGS) as running:
        yield running
        assert [e for e in running.events() if e["level"] in ("error", "critical")] == []
        assert running.stop() == 0, running.tail()
        assert running.leftovers() == []


@pytest.fixture(scope="module")
def live(following: RunningGateway) -> Iterator[httpx.Client]:
    with checked_client(following.url, timeout=GUARD_S) as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of one face, a keyframe each second."""
    frames = pan(skimage.data.astronaut(), 96, (0, 0))
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames)


@contextmanager
def apart(opened: Callable[[], AbstractAsyncContextManager[str]]) -> Iterator[tuple[str, Start]]:
    """Runs a server in its own event loop; yields its URL and a function to start tasks there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def start(work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, loop)

    context = opened()
    try:
        yield start(context.__aenter__()).result(120), start
        start(context.__aexit__(None, None, None)).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def camera(clip: Path) -> Iterator[tuple[RTSPServer, str, Start]]:
    """An RTSP server, its URL, and how to start something beside it."""
    server = RTSPServer(rtp_packets(clip), description(clip))
    with apart(server.running) as (url, start):
        yield server, url, start


def submit(api: httpx.Client, url: str, **params: Any) -> dict[str, Any]:
    response = api.post("/v1/videos", json={"url": url}, params=params)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert job["kind"] == "live"
    return job


def until(
    api: httpx.Client, job: dict[str, Any], true: Callable[[dict[str, Any]], bool], s: float = 300
) -> dict[str, Any]:
    end = time.monotonic() + s
    while time.monotonic() < end:
        seen: dict[str, Any] = api.get(job["links"]["self"]).json()
        if true(seen):
            return seen
        time.sleep(0.1)
    raise AssertionError(seen)


def has_windows(count: int) -> Callable[[dict[str, Any]], bool]:
    return lambda job: (job["progress"]["windows"] or 0) >= count


def ended(job: dict[str, Any]) -> bool:
    return job["finished_at"] is not None


def windows_of(api: httpx.Client, job: dict[str, Any], after: int = 0) -> list[dict[str, Any]]:
    response = api.get(job["links"]["windows"], params={"after": after}).json()
    windows: list[dict[str, Any]] = response["windows"]
    assert [w["number"] for w in windows] == list(range(after + 1, after + 1 + len(windows)))
    assert response["next"] == after + len(windows)
    return windows


def cancel(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    assert api.delete(job["links"]["self"]).status_code == 202
    return until(api, job, ended)


def check_over_grpc(gateway: RunningGateway, api: httpx.Client, job: dict[str, Any]) -> None:
    """gRPC has the windows, the result and the progress that REST has."""
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        stub = DetectorStub(channel)
        listed = stub.ListWindows(pb.ListWindowsRequest(id=job["id"], after=1)).windows
        one = stub.ListWindows(pb.ListWindowsRequest(id=job["id"], limit=1)).windows
        message = stub.GetJob(pb.JobRequest(id=job["id"]))
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListWindows(pb.ListWindowsRequest(id="none"))
    rpc_problem_of(refused.value, grpc.StatusCode.NOT_FOUND, 404, "not-found")
    first, *rest = windows_of(api, job)
    assert [w.number for w in one] == [1]
    assert (one[0].start_s, one[0].end_s) == (first["start_s"], first["end_s"])
    assert (one[0].verdict, one[0].smoothed) == (pb.VERDICT_REAL, first["smoothed"])
    (track,) = one[0].shots[0].tracks
    assert track.fake_probability == first["fake_probability"]
    assert [(w.number, w.gap, w.end_s) for w in listed] == [
        (w["number"], w["gap"] or "", w["end_s"]) for w in rest
    ]
    document = api.get(job["links"]["self"]).json()
    result = document["result"]
    assert (message.live_result.windows, dict(message.live_result.verdicts)) == (
        result["windows"],
        result["verdicts"],
    )
    assert [w.number for w in message.live_result.worst] == [w["number"] for w in result["worst"]]
    assert message.live_result.model.digest == result["model"]["digest"]
    assert message.progress.windows == document["progress"]["windows"]
    assert message.progress.verdict == pb.VERDICT_REAL


def test_a_camera_is_analysed_window_by_window_until_it_is_cancelled(
    following: RunningGateway, live: httpx.Client, camera: Any
) -> None:
    server, url, _ = camera
    job = submit(live, url)
    assert (job["options"]["sampling"], job["source"]["url"]) == ("fps:2", url)
    running = until(live, job, has_windows(2))
    assert running["state"] == "running"
    assert running["progress"]["verdict"] == "real"
    # Windows that a slow machine can't follow are left out.
    assert running["progress"]["seconds"] > 2 * running["progress"]["windows"] - 0.5
    assert running["result"]["windows"] >= 2, "the summary is there while it runs"
    first, *_ = seen = windows_of(live, job)
    assert (first["start_s"], first["end_s"]) == (0, pytest.approx(2, abs=0.1))
    assert (first["verdict"], first["frames_analyzed"]) == ("real", 4)
    ((track,),) = [shot["tracks"] for shot in first["shots"]]
    assert [face["t_s"] for face in track["frames"]] == pytest.approx([0, 0.5, 1, 1.5], abs=0.05)
    assert first["fake_probability"] == first["smoothed"] == track["fake_probability"]
    before = len(windows_of(live, job))
    completed = cancel(live, job)
    assert completed["state"] == "cancelled"
    assert completed["result"]["windows"] <= before + 1, "it ends within a window"
    assert windows_of(live, job)[: len(seen)] == seen, "stored windows do not change"
    check_over_grpc(following, live, job)
    assert completed["result"]["windows"] == len(windows_of(live, job))
    assert completed["result"]["verdicts"] == {"real": completed["result"]["windows"]}
    assert len(server.requests) >= 3
    assert live.delete(job["links"]["self"]).status_code == 204
    problem_of(live.get(job["links"]["windows"]), 404, "not-found")


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_playlist_is_followed_to_its_end(live: httpx.Client, tmp_path: Path, kind: str) -> None:
    """Six seconds: a face, then none, then two."""
    video = write_video(tmp_path / "scenes.mp4", scenes())
    playlist = GrowingPlaylist(write_hls(video, tmp_path / "hls", kind=kind), kept=3)
    with apart(lambda: serving(playlist.respond)) as (url, start):
        job = submit(live, f"{url}/live.m3u8", live=True, sampling="every:4")
        growing = start(playlist.grow())
        with live.stream("GET", job["links"]["events"]) as stream:
            lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
        growing.result(60)
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    completed = events[-1]
    assert (completed["state"], completed["result"]["ended"]) == ("succeeded", "source")
    numbers = [e["progress"]["windows"] for e in events if e["progress"]["windows"]]
    assert numbers == sorted(numbers)
    assert {1, 2, 3} <= set(numbers), "each window is an event"
    assert completed["summary"]["verdict"] == completed["result"]["verdict"] == "real"
    windows = windows_of(live, job)
    assert [round(w["end_s"]) for w in windows] == [2, 4, 6]
    assert [sum(len(s["tracks"]) for s in w["shots"]) for w in windows] == [1, 0, 2]
    assert (
        completed["result"]["duration_s"]
        == completed["result"]["judged_s"]
        == pytest.approx(6, abs=0.2)
    )
    assert (
        completed["result"]["worst"][0]["fake_probability"]
        == completed["result"]["fake_probability"]
    )


def test_a_source_that_drops_is_reconnected(live: httpx.Client, camera: Any) -> None:
    server, url, start = camera
    job = submit(live, url)
    until(live, job, has_windows(1))
    started = time.monotonic()
    start(server.drop()).result(60)
    until(live, job, has_windows(4))
    away_s = time.monotonic() - started
    cancel(live, job)
    windows = windows_of(live, job)
    (lost,) = [w for w in windows if (w["gap"] or "").startswith("the source was lost")]
    before = windows[lost["number"] - 2]
    assert 0.5 < lost["start_s"] - before["end_s"] < away_s, "the gap is as long as the outage"
    assert server.sessions == 2


@pytest.mark.slow
def test_a_source_that_stays_unreachable_ends(live: httpx.Client, clip: Path) -> None:
    server = RTSPServer(rtp_packets(clip), description(clip))
    with apart(server.running) as (url, _):
        job = submit(live, url)
        until(live, job, has_windows(1))
    completed = until(live, job, ended)
    assert (completed["state"], completed["result"]["ended"]) == ("succeeded", "lost")
    (warning,) = completed["result"]["warnings"]
    assert warning.startswith("the source was lost")


@pytest.mark.slow
def test_a_live_source_of_a_killed_worker_is_continued_by_another(
    following: RunningGateway, live: httpx.Client, camera: Any
) -> None:
    """Kills three workers, with at most three consecutive attempts without a window."""
    _, url, _ = camera
    job = submit(live, url)
    for count in (1, 3, 5):
        before = windows_of(live, until(live, job, has_windows(count)))
        following.worker().kill()
        running = until(live, job, has_windows(len(before) + 1))
        assert windows_of(live, job)[: len(before)] == before
        assert running["attempt"] == 1, "it has appended a window"
    completed = cancel(live, job)
    windows = windows_of(live, job)
    gaps = [w["gap"] for w in windows if w["gap"]]
    moved = [gap for gap in gaps if gap == "the job moved to another worker"]
    assert len(moved) == 3
    assert set(gaps) - set(moved) <= {"the analysis fell behind"}, "on a busy machine"
    assert all(a["end_s"] <= b["start_s"] for a, b in itertools.pairwise(windows))
    assert (completed["result"]["windows"], completed["result"]["gaps"]) == (
        len(windows),
        len(gaps),
    )


def test_live_sources_delay_no_video_and_are_limited(
    live: httpx.Client, camera: Any, video: Path
) -> None:
    _, url, _ = camera
    jobs = [submit(live, url) for _ in range(3)]
    until(live, jobs[1], lambda job: job["state"] == "running")
    refused = live.post("/v1/videos", json={"url": url})
    problem_of(refused, 429, "overloaded")
    assert "Retry-After" in refused.headers
    submitted = live.post("/v1/videos", content=video.read_bytes()).json()
    assert until(live, submitted, ended)["state"] == "succeeded"
    assert live.get(jobs[2]["links"]["self"]).json()["state"] == "queued"
    for job in jobs:
        cancel(live, job)


@pytest.mark.parametrize(
    ("playlist", "slug"),
    [
        ("#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/latest/meta-data/\n", "refused-url"),
        ("#EXTM3U\n#EXTINF:1,\n/away\n", "refused-url"),
        ("#EXTM3U\n#EXTINF:9,\n/text\n#EXT-X-ENDLIST\n", "unsupported-media-type"),
        ("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n", "unsupported-media-type"),
        ("no playlist", "unsupported-media-type"),
    ],
)  # fmt: skip
def test_a_hostile_playlist_fails_at_once(live: httpx.Client, playlist: str, slug: str) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        if request.path == "/away":
            raise web.HTTPFound(f"http://127.0.0.2:{request.url.port}/secret")
        assert request.path != "/secret"
        return web.Response(text=playlist)

    with apart(lambda: serving(respond)) as (url, _):
        job = submit(live, f"{url}/live.m3u8", live=True)
        completed = until(live, job, ended)
    assert (completed["state"], completed["attempt"], completed["result"]) == ("failed", 1, None)
    assert completed["problem"]["type"].endswith(slug)
    assert windows_of(live, job) == []


@pytest.mark.parametrize(
    ("url", "params", "slug"),
    [
        ("rtsp://user:secret@camera.example/", {}, "refused-url"),
        ("rtsp://camera.example:22/", {}, "refused-url"),
        ("ftp://camera.example/", {"live": True}, "refused-url"),
        ("rtsp://camera.example/", {"sampling": "often"}, "invalid-request"),
    ],
)
def test_an_invalid_source_is_refused_at_once(
    live: httpx.Client, url: str, params: dict[str, Any], slug: str
) -> None:
    status = 400 if slug == "invalid-request" else 422
    problem_of(live.post("/v1/videos", json={"url": url}, params=params), status, slug)


def test_files_and_images_are_not_live_sources(live: httpx.Client, clip: Path) -> None:
    sent = live.post("/v1/videos", content=clip.read_bytes(), params={"live": True})
    problem_of(sent, 400, "invalid-request")
    problem_of(live.post("/v1/images", json={"url": "rtsp://camera/"}), 422, "refused-url")
    job = live.post("/v1/videos", content=clip.read_bytes()).json()
    problem_of(live.get(f"/v1/jobs/{job['id']}/windows"), 404, "not-found")


def test_an_address_that_is_not_public_is_refused_by_the_worker(live: httpx.Client) -> None:
    completed = until(live, submit(live, "rtsp://127.0.0.2:8554/"), ended)
    assert completed["problem"]["type"].endswith("refused-url")
    assert "127" not in completed["problem"]["detail"]


def test_the_command_line_follows_a_source_to_its_end(
    following: RunningGateway, clip: Path, tmp_path: Path
) -> None:
    playlist = GrowingPlaylist(write_hls(clip, tmp_path / "hls"), kept=100)
    playlist.ended = True
    with apart(lambda: serving(playlist.respond)) as (url, _):
        command = [sys.executable, "-m", "deepfake_serving", "submit", f"{url}/all.m3u8"]
        options = ["--live", "--wait", "--server", following.url]
        completed = subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=300
        )
    assert completed.returncode == 0, completed.stderr
    *_, last = completed.stdout.splitlines()
    assert last == "real, succeeded, 4 windows: 4 real"


def test_without_the_setting_no_source_is_followed(api: httpx.Client) -> None:
    for url, params in (("rtsp://127.0.0.1:8554/", {}), ("http://127.0.0.1:1/a", {"live": True})):
        problem_of(api.post("/v1/videos", json={"url": url}, params=params), 422, "refused-url")
