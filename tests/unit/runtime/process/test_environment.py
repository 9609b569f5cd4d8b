"""Child processes that read what clients send get no secrets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deepfake_serving.runtime.process.environment import environment_without_secrets
from tests.support.paths import ROOT

SECRETS = {
    "DEEPFAKE_GATEWAY_WEBHOOK_SECRET": "whsec_a",
    "DEEPFAKE_GATEWAY_JOBS": "redis://user:password@redis",
    "AWS_SECRET_ACCESS_KEY": "a",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=a",
    "HTTPS_PROXY": "http://user:password@proxy",
}
OTHERS = {
    "PYTHONPATH": "/theirs",
    "OMP_NUM_THREADS": "2",
    "NO_PROXY": "https://a/b@c",
    "CUDA_VISIBLE_DEVICES": "0",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", SECRETS | OTHERS)


def test_an_environment_without_secrets_has_all_others() -> None:
    found = environment_without_secrets()
    assert OTHERS.items() <= found.items()
    assert not SECRETS.keys() & found.keys()


_READ = """
import ctypes, os, subprocess, sys
from deepfake_serving.runtime.process.environment import hide_from_children
if os.getuid() == 0:  # it reads everything
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # setuid hides a process, too
if sys.argv[1] == "hidden":
    hide_from_children()
sys.exit(subprocess.call(["cat", f"/proc/{os.getpid()}/environ"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize(("how", "code"), [("shown", 0), ("hidden", 1)])
def test_children_read_no_environment_of_their_parent(how: str, code: int) -> None:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _READ, how]
    assert subprocess.run(command, env=environment, capture_output=True).returncode == code
