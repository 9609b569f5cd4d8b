"""Builds and scans of images, and the publication of models."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.workflows import (
    GITHUB,
    JOBS,
    Job,
    chart_images,
    program,
    run,
    script,
    steps_of,
    workflow,
)
from tests.support.paths import ROOT


def _images() -> dict[str, Job]:
    """Returns the images that `images.yml` builds, by name."""
    include = workflow("images.yml")["jobs"]["image"]["strategy"]["matrix"]["include"]
    return {each["name"]: each for each in include}


@pytest.mark.parametrize("name", ["model-server", "gateway"])
def test_images_are_built_for_amd64_and_arm64(name: str) -> None:
    platforms = "linux/amd64,linux/arm64"
    assert workflow("build-image.yml")[True]["workflow_call"]["inputs"]["platforms"]["default"] == (
        platforms
    )
    assert _images()[name]["platforms"] == platforms
    assert "platforms" not in JOBS[f"release.yml:{name}"]["with"]


def test_every_image_is_scanned_and_those_of_the_chart_are_published() -> None:
    images = _images()
    assert set(images) == {path.stem for path in (ROOT / "docker").glob("*.Dockerfile")}
    published = {name for name, each in images.items() if each["published"]}
    assert published == {str(i["repository"]).rpartition("/")[2] for i in chart_images().values()}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda p: p.stem
)
def test_archives_are_packed_for_the_images_that_copy_them(path: Path) -> None:
    (condition,) = [
        step["if"]
        for step in steps_of(JOBS["build-image.yml:build"])
        if step.get("run") == "make archives"
    ]
    named = set(re.findall(r'"([\w-]+)"', condition))
    assert (path.stem in named) == ("COPY build/archives" in path.read_text())


def test_archives_of_a_linked_folder_get_into_the_image(tmp_path: Path) -> None:
    """A builder copies a link out of its context as such, or fails."""
    program(tmp_path, "builder", 'echo "$*" >>calls')
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "build/archives").symlink_to(tmp_path / "elsewhere")
    completed = run(str(ROOT / "scripts/cluster-images.sh"), tmp_path, BUILD="builder", LOAD="true")
    assert completed.returncode == 0, completed.stderr
    given = f"--build-context archives={tmp_path / 'elsewhere'}"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [given in each for each in calls] == [
        "model-server.Dockerfile" in each for each in calls
    ]
    for dockerfile in (ROOT / "docker").glob("*.Dockerfile"):
        text = dockerfile.read_text()
        assert ("COPY build/archives" in text) == ("AS archives\nCOPY build/archives /\n" in text)


def test_an_image_is_built_on_one_digest_of_its_base(tmp_path: Path) -> None:
    steps = {step.get("id"): step for step in steps_of(JOBS["build-image.yml:build"])}
    program(tmp_path, "docker", 'echo "$*" >>calls\necho sha256:aa')
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    completed = run(steps["base"]["run"], tmp_path, NAME="gateway")
    assert completed.returncode == 0, completed.stderr
    assert (tmp_path / "output").read_text() == "name=debian:bookworm-slim\ndigest=sha256:aa\n"
    assert " debian:bookworm-slim " in (tmp_path / "calls").read_text()
    given = "${{ steps.base.outputs.name }}@${{ steps.base.outputs.digest }}"
    assert f"BASE={given}\n" in steps["build"]["with"]["build-args"]


@pytest.mark.parametrize(
    ("weights", "licences"),
    [
        (
            {"licence": "LicenseRef-research-only"},
            "Apache-2.0 AND LicenseRef-research-only AND MIT",
        ),
        ({"licence": "Apache-2.0"}, "Apache-2.0 AND MIT"),
        (None, "Apache-2.0 AND MIT"),
    ],
)
def test_a_published_model_states_its_licences(
    tmp_path: Path, weights: dict[str, str] | None, licences: str
) -> None:
    with zipfile.ZipFile(tmp_path / "detector.mar", "w") as archive:
        archive.writestr("model.json", json.dumps({"weights": weights}))
    completed = _published(tmp_path, hashlib.sha256((tmp_path / "detector.mar").read_bytes()))
    assert completed.returncode == 0, completed.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert f"org.opencontainers.image.licenses={licences}" in calls
    assert "org.opencontainers.image.source=https://github.com/x/y" in calls


def test_a_model_is_published_as_it_was_packed(tmp_path: Path) -> None:
    """The job that packs it runs tests before it hands the archives on."""
    with zipfile.ZipFile(tmp_path / "detector.mar", "w") as archive:
        archive.writestr("model.json", "{}")
    assert _published(tmp_path, hashlib.sha256(b"another")).returncode != 0
    assert not (tmp_path / "calls").exists()
    steps = [step.get("id") or step.get("run") for step in steps_of(JOBS["model.yml:gate"])]
    assert steps.index("packed") == steps.index("make package-models") + 1


def _published(folder: Path, packed: hashlib._Hash) -> subprocess.CompletedProcess[str]:
    """Publishes detector.mar to a stub of a registry."""
    program(folder, "oras", 'printf "%s\\n" "$@" >>calls')
    given = {"MODEL": "detector", "REGISTRY": "ghcr.io/x", "GITHUB_SHA": "c0"}
    paths = {"GITHUB_STEP_SUMMARY": str(folder / "summary")}
    where = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "x/y"}
    digests = f"{'0' * 64}  classifier.mar\n{packed.hexdigest()}  detector.mar"
    return run(script("model.yml:publish", 0), folder, **given, **paths, **where, DIGESTS=digests)


CACHES = {
    "docker/setup-qemu-action": "cache-image",
    "docker/setup-buildx-action": "cache-binary",
    "aquasecurity/trivy-action": "cache",
}
"""Inputs of actions that use GitHub's cache by default, which tests on main can write to."""


def test_releases_use_nothing_that_other_runs_cached() -> None:
    used = 0
    for step in steps_of(JOBS["build-image.yml:build"]):
        if (switch := CACHES.get(str(step.get("uses")).partition("@")[0])) is not None:
            assert step["with"][switch] == "${{ inputs.cache }}", step["uses"]
            used += 1
    assert used == 5
    builds = [job for name, job in JOBS.items() if name.startswith("release.yml")]
    assert all("cache" not in job.get("with", {}) for job in builds)


def test_findings_without_a_fix_are_listed() -> None:
    """The scan that rejects leaves them out."""
    scans = [
        step
        for step in steps_of(JOBS["build-image.yml:build"])
        if str(step.get("uses")).startswith("aquasecurity/trivy-action@")
    ]
    listed = [
        step["with"]
        for step in scans
        if "trivy-config" not in step["with"] and step["with"].get("format", "table") == "table"
    ]
    assert listed
    assert all("ignore-unfixed" not in each and "severity" not in each for each in listed)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda p: p.stem
)
def test_files_of_one_platform_may_be_missing(path: Path) -> None:
    """OpenVINO's plugins for Intel's GPUs are in wheels for amd64 only."""
    for command in re.findall(r"\brm .*\.so", path.read_text()):
        assert command.startswith("rm -f "), command


def _unreasoned(entry: dict[str, Any], today: date) -> str | None:
    """Returns what is wrong with an ignored vulnerability."""
    if len(entry.get("statement", "").split()) < 5:
        return "no reason"
    ends = entry.get("expired_at")
    if not isinstance(ends, date) or ends > today + timedelta(days=90):
        return "no expiry within 90 days"
    return None


def test_ignored_vulnerabilities_have_a_reason_and_an_expiry() -> None:
    entries = yaml.safe_load((GITHUB / "trivyignore.yaml").read_text())["vulnerabilities"]
    assert [entry for entry in entries if _unreasoned(entry, date.today())] == []


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "CVE-2026-0001", "expired_at": date(2026, 2, 1)},
        {"id": "CVE-2026-0001", "statement": "not reached: only the tests load it"},
        {
            "id": "CVE-2026-0001",
            "statement": "not reached: only the tests load it",
            "expired_at": date(2027, 1, 1),
        },
    ],
)
def test_an_ignored_finding_without_a_reason_is_reported(entry: dict[str, Any]) -> None:
    assert _unreasoned(entry, date(2026, 1, 1))


def test_a_scan_with_findings_fails() -> None:
    policy = yaml.safe_load((GITHUB / "trivy.yaml").read_text())
    assert policy["exit-code"] == 1
    assert {"HIGH", "CRITICAL"} <= set(policy["severity"])
    assert (ROOT / policy["ignorefile"]).exists()
