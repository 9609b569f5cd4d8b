"""Runs kubectl and helm."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

CHART = ROOT / "k8s" / "helm" / "deepfake-serving"
HERE = Path(__file__).parent
VALUES = HERE / "values.yaml"

Object = dict[str, Any]

TWO: Object = {"modelServer": {"defaults": {"replicas": 2}}, "gateway": {"replicas": 2}}
"""Values with two gateways and two model servers."""


def with_settings(values: Object, log_level: str) -> Object:
    """Returns the values with another setting, so that every pod is replaced."""
    settings = {"settings": {"log_level": log_level}}
    model = {"defaults": {**values["modelServer"]["defaults"], **settings}}
    return {"modelServer": model, "gateway": {**values["gateway"], **settings}}


def run(*command: str, timeout_s: float = 300, stdin: str | None = None) -> str:
    """Returns standard output; fails with all output."""
    completed = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, input=stdin, check=False
    )
    assert completed.returncode == 0, (
        f"{' '.join(command)}: {completed.returncode}\n{completed.stdout}{completed.stderr}"
    )
    return completed.stdout


def kubectl(*arguments: str, timeout_s: float = 300, stdin: str | None = None) -> str:
    return run("kubectl", *arguments, timeout_s=timeout_s, stdin=stdin)


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Waits for a condition and returns the seconds."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s, f"not after {timeout_s} s: {what}"
        time.sleep(0.5)
    return time.monotonic() - begun


def create_namespace(name: str) -> None:
    """Creates a namespace that admits only restricted pods; one that exists is replaced."""
    _open_host_paths()
    delete_namespace(name)
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")


def delete_namespace(name: str) -> None:
    kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=120s")


def _open_host_paths() -> None:
    """See hostpath.yaml."""
    classes = json.loads(kubectl("get", "storageclass", "-o", "json"))["items"]
    if any(each["provisioner"] == "kubernetes.io/host-path" for each in classes):
        kubectl("apply", "-f", str(HERE / "hostpath.yaml"))
        kubectl("-n", "kube-system", "wait", "--for=condition=Ready", "pod/hostpath-opener")


def _present(pod: Object) -> bool:
    ended = pod["status"].get("phase") in ("Failed", "Succeeded")
    return not ended and "deletionTimestamp" not in pod["metadata"]


@dataclass(frozen=True)
class Release:
    """One installation of the chart."""

    name: str
    namespace: str

    @property
    def fullname(self) -> str:
        return f"{self.name}-deepfake-serving"

    def kubectl(self, *arguments: str, timeout_s: float = 300, stdin: str | None = None) -> str:
        return kubectl("-n", self.namespace, *arguments, timeout_s=timeout_s, stdin=stdin)

    def get(self, *what: str) -> Object:
        found: Object = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def upgrade(
        self, *options: str, values: Object | None = None, timeout_s: int = 240, wait: bool = True
    ) -> None:
        """Installs, or upgrades; `values` over those of tests/cluster/values.yaml."""
        waiting = ["--wait", "--timeout", f"{timeout_s}s"] if wait else []
        run(
            *("helm", "upgrade", "--install", self.name, str(CHART), "-n", self.namespace),
            *("--create-namespace", "-f", str(VALUES), "-f", "-", *waiting, *options),
            stdin=json.dumps(values or {}),
            timeout_s=timeout_s + 30,
        )

    def uninstall(self) -> None:
        run("helm", "uninstall", self.name, "-n", self.namespace, "--wait", "--timeout", "2m")

    def test(self) -> str:
        """Runs `helm test` and prints the pod's log."""
        return run("helm", "test", self.name, "-n", self.namespace, "--logs", "--timeout", "2m")

    # what is there

    def selector(self, component: str) -> str:
        return f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"

    def pods(self, component: str, pool: str | None = None) -> list[Object]:
        """Returns the pods that are neither terminating nor ended: evicted ones stay as Failed."""
        selector = self.selector(component)
        if pool:
            selector += f",deepfake-serving/pool={pool}"
        items: list[Object] = self.get("pods", "-l", selector)["items"]
        return [each for each in items if _present(each)]

    def ready(self, component: str, pool: str | None = None) -> int:
        """Returns the ready pods of a component."""
        return sum(
            condition["status"] == "True"
            for pod in self.pods(component, pool)
            for condition in pod["status"].get("conditions", [])
            if condition["type"] == "Ready"
        )

    def events(self, kind: str, name: str) -> list[str]:
        """Returns `reason: message` of each event of an object."""
        found = self.get(
            "events", f"--field-selector=involvedObject.kind={kind},involvedObject.name={name}"
        )
        return [f"{each['reason']}: {each['message']}" for each in found["items"]]

    def secret(self, name: str, key: str) -> str:
        return b64decode(self.get("secret", name)["data"][key]).decode()

    # how clients reach it

    @property
    def key(self) -> str:
        """The API key that the chart created."""
        return self.secret(f"{self.fullname}-keys", "admin-key")

    def address(self, port: str) -> str:
        """Returns host:port of the gateway's node port, which does not depend on a pod."""
        service = self.get("service", f"{self.fullname}-gateway")
        number = next(p["nodePort"] for p in service["spec"]["ports"] if p["name"] == port)
        nodes = json.loads(kubectl("get", "nodes", "-l", "type!=kwok", "-o", "json"))["items"]
        host = next(
            each["address"]
            for each in nodes[0]["status"]["addresses"]
            if each["type"] == "InternalIP"
        )
        return f"{host}:{number}"

    @property
    def url(self) -> str:
        return f"http://{self.address('http')}"
