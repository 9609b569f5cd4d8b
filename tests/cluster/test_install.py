"""A default installation: verdicts from inside and outside, a video, and isolation of pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.cluster.kube import Release, kubectl, run, wait_until
from tests.support.videos import scenes, write_video

pytestmark = pytest.mark.smoke

MODEL_PORTS = range(7070, 7073)


def test_an_image_is_classified_by_rest_and_grpc_inside_the_cluster(release: Release) -> None:
    output = release.test()
    assert "REST: real" in output
    assert "gRPC: 0." in output


def test_what_is_installed_does_not_differ_from_the_manifests(release: Release) -> None:
    """An empty list that Kubernetes drops would be a difference forever, as in Argo CD."""
    manifests = run("helm", "get", "manifest", release.name, "-n", release.namespace)
    assert release.kubectl("diff", "-f", "-", stdin=manifests) == ""


def test_an_image_is_classified_from_outside_the_cluster(
    release: Release, astronaut_jpeg: bytes
) -> None:
    headers = {"Authorization": f"Bearer {release.key}", "Content-Type": "image/jpeg"}
    response = httpx.post(f"{release.url}/v1/images", content=astronaut_jpeg, headers=headers)
    assert response.status_code == 200
    assert len(response.json()["faces"]) == 1
    assert response.json()["verdict"] == "real"


def test_a_request_without_a_key_is_refused(release: Release, astronaut_jpeg: bytes) -> None:
    response = httpx.post(
        f"{release.url}/v1/images",
        content=astronaut_jpeg,
        headers={"Content-Type": "image/jpeg"},
    )
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


def test_a_video_job_succeeds(release: Release, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", scenes())
    headers = {"Authorization": f"Bearer {release.key}"}
    with httpx.Client(base_url=release.url, headers=headers, timeout=30) as http:
        accepted = http.post("/v1/videos", files={"file": film.read_bytes()})
        assert accepted.status_code == 202, accepted.text
        job = accepted.json()
        end = time.monotonic() + 120
        while job["state"] not in ("succeeded", "failed", "dead", "cancelled"):
            assert time.monotonic() < end, job
            time.sleep(0.5)
            job = http.get(f"/v1/jobs/{job['id']}").json()
    assert job["state"] == "succeeded", job
    assert len(job["result"]["shots"]) == 3
    assert job["result"]["frames_analyzed"] >= 10


def test_containers_run_as_non_root_with_read_only_file_systems(release: Release) -> None:
    for component in ("gateway", "worker", "model-server"):
        pod = release.pods(component)[0]["metadata"]["name"]
        code = (
            "import os;"
            "print(os.getuid(), os.access('/app', os.W_OK), os.access('/etc', os.W_OK),"
            " os.path.exists('/var/run/secrets/kubernetes.io'),"
            " open('/proc/1/status').read().split('CapEff:')[1].split()[0],"
            " open('/proc/1/status').read().split('Seccomp:')[1].split()[0])"
        )
        output = release.kubectl("exec", pod, "--", "/app/.venv/bin/python", "-c", code).split()
        assert output == ["65532", "False", "False", "False", "0000000000000000", "2"], component


def test_torchserve_is_unreachable_from_other_pods(
    release: Release, in_pod: Callable[..., str]
) -> None:
    """Its inference, management and metrics ports, from a pod on the same network."""
    address = release.pods("model-server")[0]["status"]["podIP"]
    code = (
        "import socket\n"
        f"for port in {[*MODEL_PORTS, *range(8083, 8090)]}:\n"
        "    s = socket.socket(); s.settimeout(2)\n"
        f"    print(port, s.connect_ex(('{address}', port)) != 0)"
    )
    assert "False" not in in_pod(code)


@pytest.mark.parametrize(
    ("component", "port", "open_"),
    [
        ("gateway", 8000, True),
        ("gateway", 8001, True),
        ("gateway", 8002, True),
        ("model-server", 8080, False),
        ("model-server", 8081, False),
        ("redis", 6379, False),
    ],
)
def test_network_policies_open_only_the_required_connections(
    release: Release, in_pod: Callable[..., str], component: str, port: int, open_: bool
) -> None:
    """Needs a cluster whose network enforces policies."""
    address = release.pods(component)[0]["status"]["podIP"]
    code = (
        "import socket, time\n"
        "time.sleep(2.5)\n"  # a policy takes effect a moment after a pod's start
        "s = socket.socket(); s.settimeout(3)\n"
        f"print('open' if s.connect_ex(('{address}', {port})) == 0 else 'shut')"
    )
    assert in_pod(code).strip() == ("open" if open_ else "shut")


def test_the_metrics_of_redis_are_served_beside_it(
    release: Release, in_pod: Callable[..., str]
) -> None:
    image = {"repository": "deepfake-redis-exporter", "tag": "dev"}
    release.upgrade(values={"redis": {"exporter": {"enabled": True, "image": image}}})
    address = release.pods("redis")[0]["status"]["podIP"]
    code = (
        "import urllib.request as r\n"
        f"print(r.urlopen('http://{address}:9121/metrics', timeout=30).read().decode())"
    )
    assert "\nredis_up 1\n" in in_pod(code)


def test_pods_connect_only_to_what_they_need(release: Release) -> None:
    """A worker reaches Redis, but neither the API server nor a metadata service."""
    pod = release.pods("worker")[0]["metadata"]["name"]
    api = kubectl("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    code = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)\n"
        "except OSError: print('closed')\n"
        "else: print('open')"
    )

    def connects(host: str, port: int) -> bool:
        python = ("/app/.venv/bin/python", "-c", code, host, str(port))
        return release.kubectl("exec", pod, "--", *python).strip() == "open"

    # The test before has started Redis again: its name and the policies follow a moment later.
    wait_until(lambda: connects(f"{release.fullname}-redis", 6379), 60, "a connection to Redis")
    assert not connects(api, 443)
    assert not connects("169.254.169.254", 80)


def test_switching_an_autoscaler_on_keeps_the_pods(release: Release) -> None:
    name = f"{release.fullname}-gateway"
    release.upgrade(values={"gateway": {"replicas": 2}})
    scaling = {"type": "hpa", "minReplicas": 1, "maxReplicas": 3}
    release.upgrade(values={"gateway": {"autoscaling": scaling}})
    assert release.get("deployment", name)["spec"]["replicas"] == 2


def test_images_need_no_redis(release: Release, astronaut_jpeg: bytes) -> None:
    redis, headers = f"statefulset/{release.fullname}-redis", {"Content-Type": "image/jpeg"}
    headers["Authorization"] = f"Bearer {release.key}"
    release.kubectl("scale", redis, "--replicas=0")
    try:
        wait_until(lambda: not release.pods("redis"), 60, "no Redis")
        degraded = f"{release.url}/readyz"
        wait_until(lambda: bool(httpx.get(degraded, timeout=3).json()["degraded"]), 60, "degraded")
        for _ in range(20):  # each on a connection of its own
            url = f"{release.url}/v1/images"
            response = httpx.post(url, content=astronaut_jpeg, headers=headers, timeout=30)
            assert response.status_code == 200
        assert httpx.get(f"{release.url}/v1/jobs", headers=headers, timeout=30).status_code == 503
        assert release.ready("gateway") == len(release.pods("gateway"))
    finally:
        release.kubectl("scale", redis, "--replicas=1")
        wait_until(lambda: release.ready("redis") == 1, 60, "Redis ready")
