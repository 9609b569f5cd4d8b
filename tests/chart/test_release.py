"""A release: what stops it, and what it publishes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.chart.workflows import (
    ATTEST,
    JOBS,
    chart_images,
    program,
    run,
    script,
    steps_of,
    workflow,
)
from tests.support.paths import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Writes the files that a release reads."""
    chart = tmp_path / "k8s" / "helm" / "deepfake-serving"
    chart.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (chart / "Chart.yaml").write_text('version: 1.2.3\nappVersion: "1.2.3"\n')
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "compose.yaml").write_text(
        "image: ${GATEWAY_IMAGE:-x/gateway:1.2.3}\n"
        "image: ${MODEL_SERVER_IMAGE:-x/model-server:1.2.3}\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-23\n\n- New.\n\n"
        "## [1.2.2] - 2026-11-01\n\n- Old.\n"
    )
    program(tmp_path, "gh", "echo v1.2.2")
    program(tmp_path, "git", '[ "$*" = "merge-base --is-ancestor HEAD origin/main" ]')
    return tmp_path


def test_a_release_continues_if_all_versions_agree(tree: Path) -> None:
    completed = run(script("release.yml:version", 0), tree, GITHUB_REF_NAME="v1.2.3")
    assert completed.returncode == 0, completed.stderr
    assert (tree / "output").read_text() == "version=1.2.3\n"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("pyproject.toml", "1.2.3", "1.2.2"),
        ("k8s/helm/deepfake-serving/Chart.yaml", "version: 1.2.3", "version: 1.2.2"),
        ("k8s/helm/deepfake-serving/Chart.yaml", '"1.2.3"', '"1.2.2"'),
        ("CHANGELOG.md", "2026-11-23", "unreleased"),
        ("CHANGELOG.md", "## [1.2.3]", "## [1.2.4]"),
        ("docker/compose.yaml", "gateway:1.2.3", "gateway:1.2.2"),
        ("docker/compose.yaml", "model-server:1.2.3", "model-server:1.2.2"),
    ],
)
def test_a_release_stops_if_a_version_disagrees(
    tree: Path, file: str, before: str, after: str
) -> None:
    path = tree / file
    content = path.read_text()
    assert before in content
    path.write_text(content.replace(before, after, 1))
    completed = run(script("release.yml:version", 0), tree, GITHUB_REF_NAME="v1.2.3")
    assert completed.returncode != 0
    assert not (tree / "output").exists()


def test_a_version_is_released_once(tree: Path) -> None:
    """A second build would have other digests than the notes."""
    program(tree, "gh", 'case "$*" in "release list "*) echo v1.2.3; echo v1.2.2 ;; esac')
    completed = run(script("release.yml:version", 0), tree, GITHUB_REF_NAME="v1.2.3")
    assert completed.returncode != 0
    assert "1.2.3 is released" in completed.stdout


@pytest.mark.parametrize("broken", ["gh", "git"])
def test_a_release_stops_without_a_list_of_releases_or_off_main(tree: Path, broken: str) -> None:
    """Who may push a tag must not release what nobody reviewed, nor move tags of a release."""
    program(tree, broken, "exit 1")
    completed = run(script("release.yml:version", 0), tree, GITHUB_REF_NAME="v1.2.3")
    assert completed.returncode != 0
    assert not (tree / "output").exists()


def _checked(folder: Path, listed: str) -> int:
    """Runs the release's comparison of what it downloaded with what was built."""
    package = f"{hashlib.sha256(b'chart').hexdigest()}  deepfake-serving-1.2.3.tgz"
    return run(script("release.yml:notes", 0), folder, DIST=listed, PACKAGE=package).returncode


def test_a_release_attaches_the_files_that_were_built(tmp_path: Path) -> None:
    """Other jobs of the run, which run tests, can replace an artifact."""
    (tmp_path / "deepfake-serving-1.2.3.tgz").write_bytes(b"chart")
    (tmp_path / "dist").mkdir()
    wheel = tmp_path / "dist" / "x.whl"
    wheel.write_bytes(b"wheel")
    listed = f"{hashlib.sha256(b'wheel').hexdigest()}  x.whl"
    assert _checked(tmp_path, listed) == 0
    (tmp_path / "dist" / "y.whl").write_bytes(b"more")
    assert _checked(tmp_path, listed) != 0
    (tmp_path / "dist" / "y.whl").unlink()
    wheel.write_bytes(b"other")
    assert _checked(tmp_path, listed) != 0
    wheel.write_bytes(b"wheel")
    (tmp_path / "deepfake-serving-1.2.3.tgz").write_bytes(b"other")
    assert _checked(tmp_path, listed) != 0


def test_the_list_of_built_files_is_made_before_any_test_runs(tmp_path: Path) -> None:
    """Only what builds the wheel is installed then: no package of tests, no torch."""
    steps = [step.get("run", "") for step in steps_of(JOBS["ci.yml:wheel"])]
    assert steps.index("make wheel") < steps.index(script("ci.yml:wheel", 1))
    assert steps.index(script("ci.yml:wheel", 1)) < steps.index("make wheel-smoke")
    command = ["make", "--dry-run", "--always-make", "wheel"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"requirements/[\w-]+\.txt", printed)) == {"requirements/build.txt"}
    (tmp_path / "x.whl").write_bytes(b"wheel")
    assert run(script("ci.yml:wheel", 1), tmp_path).returncode == 0
    listed = f"{hashlib.sha256(b'wheel').hexdigest()}  x.whl"
    assert f"{listed}\n" in (tmp_path / "output").read_text()


NAMED = re.compile(
    r"(?:ghcr\.io/deepfake-serving/[a-z-]+|deepfake-serving-bulk):(\d+\.\d+\.\d+)"
    r"|targetRevision: (\d+\.\d+\.\d+)|deepfake_serving-(\d+\.\d+\.\d+)-py3"
)
"""Images, charts and wheels of a release in files that people copy."""


def test_files_name_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    files = [ROOT / "README.md", ROOT / "docker" / "compose.yaml"]
    files += [
        *(ROOT / "k8s" / "kserve").rglob("*.yaml"),
        *(ROOT / "k8s" / "examples").rglob("*.yaml"),
    ]
    named = [
        (str(path.relative_to(ROOT)), next(filter(None, found)))
        for path in files
        for found in NAMED.findall(path.read_text())
    ]
    assert len(named) >= 7
    assert [each for each in named if each[1] != version] == []


def test_a_release_that_waits_for_its_approval_holds_up_no_other() -> None:
    assert "github.ref" in workflow("release.yml")["concurrency"]["group"]


def test_the_wheel_is_attached_to_the_release_and_attested() -> None:
    steps = steps_of(JOBS["release.yml:notes"])
    (attested,) = [step for step in steps if str(step.get("uses")).startswith(ATTEST)]
    (create,) = [step["run"] for step in steps if "gh release create" in step.get("run", "")]
    for file in ("dist/*", "images.yaml"):
        assert file in attested["with"]["subject-path"].split()
        assert file in create.split()


def test_release_notes_contain_only_this_version_and_list_the_images(tree: Path) -> None:
    digests = {
        "MODEL_SERVER": "sha256:aa",
        "MODEL_SERVER_CUDA": "sha256:ac",
        "GATEWAY": "sha256:bb",
        "CHART": "sha256:cc",
    }
    completed = run(script("release.yml:notes", 1), tree, VERSION="1.2.3", OWNER="us", **digests)
    assert completed.returncode == 0, completed.stderr
    notes = (tree / "notes.md").read_text()
    assert "New." in notes
    assert "Old." not in notes
    assert all(digest in notes for digest in digests.values())
    images = yaml.safe_load((tree / "images.yaml").read_text())["image"]
    assert images["gateway"] == {"repository": "ghcr.io/us/gateway", "digest": "sha256:bb"}
    assert images["modelServer"]["digest"] == "sha256:aa"
    assert images["modelServerCuda"]["digest"] == "sha256:ac"
    assert set(images) == set(chart_images())
