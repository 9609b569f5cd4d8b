"""A long video shared by workers of a real gateway, over Redis: one is killed within its part."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.published_schema import checked_client
from tests.support.redis_server import RedisServer, redis_program
from tests.support.running import GUARD_S, RunningGateway, RunningProcess, RunningServer
from tests.support.videos import scenes, write_video

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class RunningWorker(RunningProcess):
    """`python -m deepfake_serving.gateway.worker`."""

    module, prefix = "deepfake_serving.gateway.worker", "DEEPFAKE_GATEWAY_"
    defaults = RunningGateway.defaults

    def parts(self) -> list[str]:
        """Returns the ids of the parts that it has started."""
        started = self.events("job started")
        return [event["id"] for event in started if event["kind"] == "part"]


@pytest.fixture(scope="module")
def settings(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The settings of the gateway and its workers, which share a Redis and a folder."""
    folder = tmp_path_factory.mktemp("shared")
    redis = RedisServer(redis_program(), folder)
    redis.start()
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    yield {
        "routing": json.dumps({"pools": [pool]}),
        "jobs": redis.url,
        "objects": f"file://{folder / 'objects'}",
        "embedded_worker": "false",
        "lease_s": 2,
        "video_part_s": 6,
    }
    redis.kill()


def result_of(api: httpx.Client, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + GUARD_S
    while time.monotonic() < end:
        job: dict[str, Any] = api.get(f"/v1/jobs/{job_id}").json()
        assert [each["id"] for each in api.get("/v1/jobs").json()["jobs"]] == [job_id]
        if job["finished_at"]:
            assert (job["state"], job["attempt"], job["cached"]) == ("succeeded", 1, False)
            result: dict[str, Any] = job["result"]
            for image in result["gallery"]:
                assert api.get(image).content[:2] == b"\xff\xd8"
            return result
        time.sleep(0.1)
    raise AssertionError(f"not ended: {job}")


def without_job(result: dict[str, Any], job_id: str) -> dict[str, Any]:
    """Returns a result without what differs between two jobs: ids, links and times."""
    plain: dict[str, Any] = json.loads(json.dumps(result).replace(job_id, "id"))
    plain.pop("timings_ms")
    return plain


def test_a_killed_worker_changes_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    video = write_video(tmp_path / "film.mp4", scenes() * 6).read_bytes()
    with ExitStack() as stack:
        gateway = stack.enter_context(RunningGateway.run(settings))
        api = stack.enter_context(checked_client(gateway.url, timeout=GUARD_S))
        found = []
        for count in (3, 1):
            workers = [RunningWorker(settings) for _ in range(count)]
            for worker in workers:
                stack.callback(worker.kill)
                worker.wait_for_event("ready")
            job = api.post("/v1/videos", files={"file": ("film.mp4", video)}).json()
            if count > 1:
                kill_one(workers)
            found.append(without_job(result_of(api, job["id"]), job["id"]))
            api.delete(f"/v1/jobs/{job['id']}")
            for worker in workers:
                worker.kill()
        assert found[0] == found[1]
        assert len(found[1]["shots"]) == 18


def kill_one(workers: list[RunningWorker]) -> None:
    """Kills the first worker that analyses a part for another."""
    end = time.monotonic() + GUARD_S
    while time.monotonic() < end:
        helping = [worker for worker in workers if worker.parts()]
        if helping:
            helping[0].process.kill()
            return
        time.sleep(0.02)
    raise AssertionError("no worker shares the video")
