"""The commands of every runbook do what they say, on a release without optional parts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.kube import ROOT, Release

PAGES = sorted((ROOT / "docs" / "runbooks").glob("Deepfake*.md"))
FAILED = re.compile(
    r"^(bash: |jq: |(Error|error)\b|grep: |sed: |sort: |df: |Unable to listen)", re.MULTILINE
)
"""Output of commands that fail."""
ABSENT = re.compile(
    r'^error: .* resource type "(scaledobject|podmonitors|certificates)"\n'  # not installed
    r"|^(Error from server \(NotFound\): secrets|error: Metrics API not available).*\n"
    r"|^(Error|error): .*previous terminated container.*\n"  # nothing has restarted
    r"|^Error from server \(BadRequest\): previous .*\n",
    re.MULTILINE,
)
"""Output that is no fault of a page: without KEDA, the operator, TLS and metrics-server."""


def blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))


def script(release: Release, page: Path) -> str:
    """Returns the commands of the setup and of a page, for this release and one of its pods."""
    setup = blocks(page.parent / "README.md").partition("helm ")[0]
    setup = setup.replace("NS=deepfake R=prod", f"NS={release.namespace} R={release.name}")
    component = "gateway" if "8082 of a model server" in page.read_text() else "model-server"
    pod = release.pods(component)[0]["metadata"]["name"]
    text = blocks(page).replace("POD=…", f"POD={pod}").replace("redis --latency-history", "#")
    return f"{setup}\n{text}\nkill %1"


@pytest.mark.parametrize("page", PAGES, ids=[each.stem for each in PAGES])
def test_its_commands_run(installed: Release, page: Path) -> None:
    ran = subprocess.run(
        ["bash", "-c", script(installed, page)], capture_output=True, text=True, check=False
    )
    print(ran.stdout, ran.stderr)
    assert not FAILED.search(ABSENT.sub("", ran.stderr))


def test_metrics_are_shown(installed: Release) -> None:
    ran = subprocess.run(
        ["bash", "-c", script(installed, PAGES[0].with_name("DeepfakeModelWorkersMissing.md"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'deepfake_workers{model="detector",state="ready"} 1.0' in ran.stdout
