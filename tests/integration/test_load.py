"""The load tests against a real gateway, worker and model server: every user, for seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtest.generate_media import generate
from tests.support.build_cache import built
from tests.support.paths import ROOT
from tests.support.running import RunningGateway, RunningServer

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Run:
    code: int
    output: str
    summary: dict[str, Any]

    def row(self, kind: str, name: str) -> dict[str, Any]:
        (row,) = (r for r in self.summary["rows"] if (r["kind"], r["name"]) == (kind, name))
        return row


@pytest.fixture(scope="module")
def models(archive_folder: Path) -> Iterator[RunningServer]:
    """A server with default limits: the shared one refuses requests as large as those of videos."""
    with RunningServer.start(archive_folder, models="detector") as running:
        yield running
        assert running.stop() == 0, running.tail()


@pytest.fixture(scope="module")
def stack(
    models: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    with RunningGateway.start(tmp_path_factory.mktemp("load"), models.url) as running:
        yield running
        assert running.stop() == 0, running.tail()


@pytest.fixture(scope="module")
def media() -> Path:
    return built("load-media", generate)


@pytest.fixture
def run(stack: RunningGateway, media: Path, tmp_path: Path) -> Callable[..., Run]:
    def run(*words: str) -> Run:
        where = "--url", stack.url, "--grpc", stack.grpc_target
        chosen = "--media", str(media), "--out", str(tmp_path), "--peak=2", "--duration=5"
        completed = subprocess.run(
            [sys.executable, "-m", "loadtest", *where, *chosen, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        summary = json.loads((tmp_path / "summary.json").read_text())
        return Run(completed.returncode, completed.stdout + completed.stderr, summary)

    return run


@pytest.mark.parametrize(
    ("user", "kind", "name", "least"),
    [
        ("image-rest", "POST", "/v1/images", 10),
        ("image-grpc", "gRPC", "DetectImage", 10),
        ("batch", "POST", "/v1/images/batch", 3),
        ("video", "JOB", "/v1/videos", 1),
        ("live", "WS", "/v1/stream", 10),
    ],
)
def test_every_user_is_served_without_a_failure(
    run: Callable[..., Run], user: str, kind: str, name: str, least: int
):
    completed = run(user, f"--requests={least}", "--duration=90", f"--min-requests={least}")
    assert completed.code == 0, completed.output
    assert completed.summary["passed"]
    assert completed.summary["refused"] == 0
    row = completed.row(kind, name)
    assert row["requests"] >= least
    assert row["failures"] == 0
    assert 0 < row["p50"] <= row["p95"]


@pytest.mark.slow
def test_frames_faster_than_they_are_classified_are_dropped_and_not_lost(run: Callable[..., Run]):
    completed = run("live", "--live-fps=200", "--live-seconds=2")
    assert completed.code == 0, completed.output
    assert completed.summary["dropped"] > 0


@pytest.mark.slow
def test_all_users_run_together_in_several_processes(run: Callable[..., Run]):
    completed = run(
        "image-rest",
        "image-grpc",
        "live",
        "--processes=2",
        "--peak=3",
        "--requests=2",
        "--duration=120",
        "--pause=0.2",
    )
    assert completed.code == 0, completed.output
    assert {row["kind"] for row in completed.summary["rows"]} >= {"POST", "gRPC", "WS"}


@pytest.mark.slow
def test_a_gateway_that_is_killed_fails_the_run(media: Path, models: RunningServer, tmp_path: Path):
    with RunningGateway.start(tmp_path, models.url, embedded_worker="false") as doomed:
        words = ["image-rest", "image-grpc", "--url", doomed.url, "--grpc", doomed.grpc_target]
        chosen = [
            "--media",
            str(media),
            "--out",
            str(tmp_path),
            "--peak=2",
            "--duration=8",
            "--pause=0.05",
        ]
        with subprocess.Popen(
            [sys.executable, "-m", "loadtest", *words, *chosen],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            doomed.wait_for_event("request", where=lambda event: event["route"] == "/v1/images")
            doomed.kill()
            output, _ = running.communicate(timeout=300)
    assert running.returncode == 1, output
    summary = json.loads((tmp_path / "summary.json").read_text())
    failed = {row["kind"]: row["failures"] for row in summary["rows"]}
    assert failed["POST"] > 0
    assert failed["gRPC"] > 0
