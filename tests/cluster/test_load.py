"""The load test as a Job in the cluster, which fails if a gate fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.cluster.kube import ROOT, Release

JOB = ROOT / "k8s" / "load" / "job.yaml"


def started(release: Release, *arguments: str) -> str:
    """Runs the Job for this release with other users and limits; returns its final condition."""
    text = JOB.read_text().replace("deepfake-serving-gateway", f"{release.fullname}-gateway")
    job: dict[str, Any] = yaml.safe_load(
        text.replace("deepfake-serving-keys", f"{release.fullname}-keys")
    )
    job["spec"]["template"]["spec"]["containers"][0]["args"] = list(arguments)
    release.kubectl("delete", "job", "deepfake-load", "--ignore-not-found")
    release.kubectl("apply", "-f", "-", stdin=json.dumps(job))
    release.kubectl(
        *("wait", "--for=jsonpath={.status.conditions[-1].status}=True", "job/deepfake-load"),
        "--timeout=150s",
    )
    conditions = release.get("job", "deepfake-load")["status"]["conditions"]
    return next(c["type"] for c in conditions[::-1] if c["type"] in ("Complete", "Failed"))


@pytest.mark.parametrize(
    ("limit", "end"), [("--max-p95-ms=20000", "Complete"), ("--max-p95-ms=1", "Failed")]
)
def test_a_load_test_runs_as_a_job_in_the_cluster(release: Release, limit: str, end: str) -> None:
    users = ("image-rest", "image-grpc", "batch", "video", "live")
    assert started(release, *users, "--shape=steady", "--peak=5", "--duration=15", limit) == end
    output = release.kubectl("logs", "job/deepfake-load")
    print("\n" + output[-1500:])
    assert "image-grpc" in output or "DetectImage" in output
