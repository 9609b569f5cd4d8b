"""Archives from other sources, verified by digest, and one with a wrong digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.cluster.kube import ROOT, Object, Release, wait_until

ARCHIVE = ROOT / "build" / "archives" / "detector.mar"
DIGEST = "sha256:" + hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
WRONG = "sha256:" + "0" * 64


def pool(**settings: object) -> Object:
    return {"modelServer": {"pools": [{"name": "cpu", **settings}]}}


def served(release: Release) -> str:
    """Returns the digest that clients of the gateway see."""
    headers = {"Authorization": f"Bearer {release.key}"}
    models = httpx.get(f"{release.url}/v1/models", headers=headers).json()
    return str(models["pools"][0]["models"][0]["digest"])


def test_the_named_digest_becomes_ready(release: Release) -> None:
    release.upgrade(values=pool(digests={"detector": DIGEST}))
    assert release.ready("model-server") == 1
    assert (
        DIGEST
        in httpx.get(
            f"{release.url}/v1/models", headers={"Authorization": f"Bearer {release.key}"}
        ).text
    )


@pytest.mark.smoke
def test_a_wrong_digest_never_becomes_ready_and_events_say_why(release: Release) -> None:
    good = {pod["metadata"]["name"] for pod in release.pods("model-server")}
    release.upgrade(values=pool(digests={"detector": WRONG}), wait=False)

    def said() -> bool:
        fresh = [p for p in release.pods("model-server") if p["metadata"]["name"] not in good]
        events = [e for p in fresh for e in release.events("Pod", p["metadata"]["name"])]
        return any(
            DIGEST.removeprefix("sha256:") in event and "0" * 64 in event for event in events
        )

    wait_until(said, 60, "an event that names both digests")
    names = {pod["metadata"]["name"] for pod in release.pods("model-server")}
    assert good <= names, "the old pods keep serving"
    assert release.ready("model-server") == 1
    headers = {"Authorization": f"Bearer {release.key}"}
    assert httpx.get(f"{release.url}/v1/models", headers=headers).status_code == 200


@pytest.fixture
def bucket(release: Release) -> Iterator[str]:
    """Runs an S3 server with the archive in `models`; the Secret `s3` has its credentials."""
    labels = {"app": "s3"}
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "s3", "labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "s3",
                    "image": "deepfake-s3:dev",
                    "ports": [{"containerPort": 9000}],
                    "readinessProbe": {"tcpSocket": {"port": 9000}, "periodSeconds": 1},
                    "securityContext": security,
                }
            ]
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s3"},
        "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 9000}]},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s3"},
        "stringData": {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://s3.{release.namespace}.svc:9000",
            "AWS_ALLOW_HTTP": "true",
        },
    }
    objects = yaml.safe_dump_all([pod, service, secret])
    release.kubectl("apply", "-f", "-", stdin=objects)
    release.kubectl("wait", "--for=condition=Ready", "pod/s3", "--timeout=60s")
    port = release.get("service", "s3")["spec"]["ports"][0]["nodePort"]
    host = release.address("http").rpartition(":")[0]
    # A node port works only a moment after the pod is ready.
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(base_url=f"http://{host}:{port}", transport=transport) as http:
        http.put("/models").raise_for_status()
        http.put("/models/detector.mar", content=ARCHIVE.read_bytes()).raise_for_status()
    yield "s3://models/detector.mar"
    release.kubectl("delete", "--wait=false", "-f", "-", stdin=objects)


def test_archives_are_fetched_from_s3(release: Release, bucket: str) -> None:
    delivery = {"type": "fetch", "sources": {"detector": bucket}, "credentialsSecret": "s3"}
    edge = {
        "to": [{"podSelector": {"matchLabels": {"app": "s3"}}}],
        "ports": [{"port": 9000, "protocol": "TCP"}],
    }
    values = pool(delivery=delivery, digests={"detector": DIGEST})
    release.upgrade(values={**values, "networkPolicy": {"modelServerEgress": [edge]}})
    assert release.ready("model-server") == 1
    release.test()


def test_archives_are_read_from_a_persistent_volume_claim(release: Release, tmp_path: Path) -> None:
    """A pod copies the archives into a PersistentVolumeClaim, as an operator would."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "archives"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    copy = (
        "import shutil, os; os.makedirs('/models/1', exist_ok=True);"
        " shutil.copy('/app/archives/detector.mar', '/models/1/')"
    )
    filler = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "filler"},
        "spec": {
            "restartPolicy": "OnFailure",
            "containers": [
                {
                    "name": "copy",
                    "image": "deepfake-model-server:dev",
                    "args": ["-c", copy],
                    "securityContext": security,
                    "volumeMounts": [{"name": "models", "mountPath": "/models"}],
                }
            ],
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "archives"}}],
        },
    }
    release.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([claim, filler]))
    release.kubectl(
        "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/filler", "--timeout=90s"
    )
    delivery = {"type": "pvc", "claimName": "archives", "path": "1"}
    release.upgrade(values=pool(delivery=delivery, digests={"detector": DIGEST}))
    assert release.ready("model-server") == 1
    release.test()
    release.kubectl("delete", "pod/filler")
