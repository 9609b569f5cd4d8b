"""The workflows: pinned actions, least privilege, timeouts, existing make targets."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import tool
from tests.support.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = {path.name: path for path in sorted((GITHUB / "workflows").glob("*.yml"))}
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
FILES = [*WORKFLOWS.values(), *ACTIONS]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
VERIFY = "./.github/actions/verify"
SIGN = "./.github/actions/sign"

Job = dict[str, Any]


def _workflow(name: str) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(WORKFLOWS[name].read_text())
    return document


def _triggers(name: str) -> set[str]:
    return set(_workflow(name)[True])  # YAML 1.1 takes `on` for a truth value


def _jobs() -> Iterator[tuple[str, Job]]:
    for name in WORKFLOWS:
        for job, content in _workflow(name)["jobs"].items():
            yield f"{name}:{job}", content


JOBS = dict(_jobs())
named = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)


def _steps(job: Job) -> list[dict[str, Any]]:
    return job.get("steps", [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GITHUB)))
def test_every_action_is_pinned_to_a_commit_with_its_version(path: Path) -> None:
    for line in re.findall(r"^\s*(?:- )?uses: (.*)$", path.read_text(), re.MULTILINE):
        if line.startswith("./"):
            assert (ROOT / line).exists(), line
        else:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_the_same_version_everywhere() -> None:
    pins = defaultdict(set)
    for path in FILES:
        for action, pin in re.findall(r"uses: ([\w./-]+)@(\S+ # \S+)", path.read_text()):
            pins[action].add(pin)
    assert len(pins) > 5
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_granted_per_job_only(name: str) -> None:
    assert _workflow(name)["permissions"] == {}
    assert "pull_request_target" not in _triggers(name)
    assert "workflow_run" not in _triggers(name)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_has_a_concurrency_group(name: str) -> None:
    if _triggers(name) != {
        "workflow_call"
    }:  # what is only called overlaps as the workflows that call it do
        assert _workflow(name)["concurrency"]["group"]


@named
def test_every_job_has_permissions_and_a_timeout(job: Job) -> None:
    assert job["permissions"]
    assert "uses" in job or 1 <= job["timeout-minutes"] <= 90


@named
def test_jobs_with_write_permission_run_no_code_of_the_repository(job: Job) -> None:
    if "write" in job["permissions"].values():
        commands = "\n".join(step.get("run", "") for step in _steps(job))
        assert not re.search(r"\b(make|python|pip|docker build)\b", commands)


@named
def test_identity_tokens_are_used_only_for_signing(job: Job) -> None:
    signs = any(step.get("uses") == SIGN for step in _steps(job))
    publishes = str(job.get("uses", "")).endswith("/build-image.yml")
    assert ("id-token" in job["permissions"]) == (signs or publishes)


@named
def test_checkouts_do_not_persist_credentials(job: Job) -> None:
    for step in _steps(job):
        if str(step.get("uses")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_secrets_are_used_only_in_jobs_with_an_environment() -> None:
    for name, path in WORKFLOWS.items():
        if "secrets." in path.read_text():
            assert all("environment" in job for job in _workflow(name)["jobs"].values()), name
    jobs = {name for name, job in JOBS.items() if "secrets" in job}
    assert jobs == {"release.yml:staging", "release.yml:production"}


@named
def test_no_untrusted_text_is_interpolated_into_a_script(job: Job) -> None:
    """Values are passed as environment variables, so a shell never interprets them as code."""
    for step in _steps(job):
        assert "${{" not in step.get("run", "")


@named
def test_every_make_target_exists(job: Job) -> None:
    for step in _steps(job):
        for target in re.findall(r"^make ([a-z0-9-]+)", step.get("run", ""), re.MULTILINE):
            assert target in TARGETS


def test_releases_are_verified_for_the_workflow_that_signs() -> None:
    """A policy that names a wrong workflow would refuse, or admit, every image."""
    expressions = {
        step["with"]["workflow"]
        for job in JOBS.values()
        for step in _steps(job)
        if step.get("uses") == VERIFY
    }
    signing = {
        name.partition(":")[0]
        for name, job in JOBS.items()
        if any(step.get("uses") == SIGN for step in _steps(job))
    }
    assert expressions
    for expression in expressions:
        assert [name for name in signing if re.fullmatch(expression, name)], expression


def test_the_policy_admits_only_releases() -> None:
    policy = yaml.safe_load((ROOT / "k8s" / "policy" / "verify-images.yaml").read_text())
    (identity,) = policy["spec"]["attestors"][0]["cosign"]["keyless"]["identities"]
    signer = "https://github.com/deepfake-serving/deepfake-serving/.github/workflows/"
    expected = re.compile(identity["subjectRegExp"])
    assert expected.match(f"{signer}build-image.yml@refs/tags/v1.2.3")
    for other in ("build-image.yml@refs/heads/main", "model.yml@refs/tags/v1.2.3"):
        assert not expected.match(signer + other)
    assert not expected.match(
        "https://github.com/other/x/.github/workflows/build-image.yml@refs/tags/v1.2.3"
    )


def test_the_verify_action_is_as_strict_as_the_policy() -> None:
    policy = yaml.safe_load((ROOT / "k8s" / "policy" / "verify-images.yaml").read_text())
    (identity,) = policy["spec"]["attestors"][0]["cosign"]["keyless"]["identities"]
    action = yaml.safe_load((GITHUB / "actions" / "verify" / "action.yml").read_text())
    given = action["runs"]["steps"][-1]["env"]["IDENTITY"]
    for variable, value in (
        ("github.repository", "deepfake-serving/deepfake-serving"),
        ("inputs.workflow", r"build-image\.yml"),
    ):
        given = given.replace(f"${{{{ {variable} }}}}", value)
    assert given == identity["subjectRegExp"]


@pytest.mark.parametrize("name", ["model-server", "gateway"])
def test_images_are_built_for_amd64_and_arm64(name: str) -> None:
    platforms = "linux/amd64,linux/arm64"
    assert _workflow("build-image.yml")[True]["workflow_call"]["inputs"]["platforms"][
        "default"
    ] == (platforms)
    images = _workflow("images.yml")["jobs"]["image"]["strategy"]["matrix"]["include"]
    assert {"name": name, "platforms": platforms} in images
    assert "platforms" not in JOBS[f"release.yml:{name}"]["with"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda p: p.stem
)
def test_files_of_one_platform_may_be_missing(path: Path) -> None:
    """OpenVINO's plugins for Intel's GPUs are in wheels for amd64 only."""
    for command in re.findall(r"\brm .*\.so", path.read_text()):
        assert command.startswith("rm -f "), command


def _script(job: str, place: int) -> str:
    runs = [step["run"] for step in _steps(JOBS[job]) if "run" in step]
    return str(runs[place])


def _run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script like a step of GitHub Actions."""
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(folder / "output"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Writes the files that a release reads."""
    chart = tmp_path / "k8s" / "helm" / "deepfake-serving"
    chart.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (chart / "Chart.yaml").write_text('version: 1.2.3\nappVersion: "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-23\n\n- New.\n\n"
        "## [1.2.2] - 2026-11-01\n\n- Old.\n"
    )
    return tmp_path


def test_a_release_continues_if_all_versions_agree(tree: Path) -> None:
    completed = _run(_script("release.yml:version", 0), tree, GITHUB_REF_NAME="v1.2.3")
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
    ],
)
def test_a_release_stops_if_a_version_disagrees(
    tree: Path, file: str, before: str, after: str
) -> None:
    path = tree / file
    content = path.read_text()
    assert before in content
    path.write_text(content.replace(before, after, 1))
    completed = _run(_script("release.yml:version", 0), tree, GITHUB_REF_NAME="v1.2.3")
    assert completed.returncode != 0
    assert not (tree / "output").exists()


def test_release_notes_contain_only_this_version_and_list_the_images(tree: Path) -> None:
    digests = {
        "MODEL_SERVER": "sha256:aa",
        "MODEL_SERVER_CUDA": "sha256:ac",
        "GATEWAY": "sha256:bb",
        "CHART": "sha256:cc",
    }
    completed = _run(_script("release.yml:notes", 0), tree, VERSION="1.2.3", OWNER="us", **digests)
    assert completed.returncode == 0, completed.stderr
    notes = (tree / "notes.md").read_text()
    assert "New." in notes
    assert "Old." not in notes
    assert all(digest in notes for digest in digests.values())
    images = yaml.safe_load((tree / "images.yaml").read_text())["image"]
    assert images["gateway"] == {"repository": "ghcr.io/us/gateway", "digest": "sha256:bb"}
    assert images["modelServer"]["digest"] == "sha256:aa"
    assert images["modelServerCuda"]["digest"] == "sha256:ac"
    assert set(images) == set(_chart_images())


def _chart_images() -> dict[str, Any]:
    values = yaml.safe_load((ROOT / "k8s/helm/deepfake-serving/values.yaml").read_text())
    images: dict[str, Any] = values["image"]
    return images


def test_every_released_image_is_verified_and_deployed_by_digest() -> None:
    released = {
        job["with"]["name"]
        for name, job in JOBS.items()
        if name.startswith("release.yml") and str(job.get("uses", "")).endswith("build-image.yml")
    }
    assert released == {str(i["repository"]).rpartition("/")[2] for i in _chart_images().values()}
    steps = _steps(JOBS["deploy.yml:deploy"])
    verified = " ".join(str(step.get("with", {}).get("reference", "")) for step in steps)
    (upgrade,) = [step for step in steps if step.get("id") == "upgrade"]
    for image in released:
        assert f"/{image}@${{{{ inputs.{image} }}}}" in verified
    for key in _chart_images():
        assert f"image.{key}.digest=$" in upgrade["run"]


def test_a_deployment_installs_nothing_after_the_upgrade() -> None:
    """A package index that is down then must not roll back what works."""
    steps = _steps(JOBS["deploy.yml:deploy"])
    upgrade = [step.get("id") for step in steps].index("upgrade")
    prepared = [step.get("run") for step in steps].index("make smoke-tools")
    assert prepared < upgrade
    assert "--create-namespace" not in steps[upgrade]["run"]


def test_go_installs_what_the_makefile_names() -> None:
    """`go install` refuses modules whose go.mod has replace or exclude directives."""
    packages = re.findall(r"\bgo install (\S+)", (ROOT / "Makefile").read_text())
    assert packages
    for package in packages:
        assert not re.search(r"^(replace|exclude)\b", _go_mod(package), re.MULTILINE), package


def _go_mod(package: str) -> str:
    """Returns the go.mod of the module with a package `path@version`."""
    path, _, version = package.partition("@")
    while path:
        command = [tool("go"), "mod", "download", "-json", f"{path}@{version}"]
        completed = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if completed.returncode == 0:
            return Path(json.loads(completed.stdout)["GoMod"]).read_text()
        path = path.rpartition("/")[0]
    raise AssertionError(f"{package}: no such module")


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


def test_dependabot_covers_every_folder_with_pinned_versions() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    assert {each["package-ecosystem"] for each in updates} == {
        "github-actions",
        "uv",
        "docker",
        "docker-compose",
    }
    assert all(each["groups"] for each in updates)
    for each in updates:
        for folder in each.get("directories", [each.get("directory")]):
            assert list(ROOT.glob(folder.lstrip("/") or "*")), folder


def test_the_documented_deployment_gives_every_required_input() -> None:
    """On a tag, as the environment `production` allows no branch."""
    text = (ROOT / "docs" / "delivery.md").read_text().replace("\\\n", "")
    (command,) = re.findall(r"gh workflow run deploy\.yml (.*)", text)
    inputs = _workflow("deploy.yml")[True]["workflow_dispatch"]["inputs"]
    assert set(re.findall(r"-f ([\w-]+)=", command)) == {
        name for name, each in inputs.items() if each["required"]
    }
    assert re.search(r"--ref v\d", command)
