"""The workflows: pinned actions, least privilege, timeouts, existing make targets."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import tool
from tests.chart.workflows import (
    ATTEST,
    GITHUB,
    JOBS,
    SIGN,
    VERIFY,
    WORKFLOWS,
    Job,
    run,
    steps_of,
    workflow,
)
from tests.support.paths import ROOT

ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
FILES = [*WORKFLOWS.values(), *ACTIONS]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
named = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)


def _triggers(name: str) -> set[str]:
    return set(workflow(name)[True])  # YAML 1.1 takes `on` for a truth value


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
    assert workflow(name)["permissions"] == {}
    assert "pull_request_target" not in _triggers(name)
    assert "workflow_run" not in _triggers(name)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_has_a_concurrency_group(name: str) -> None:
    if _triggers(name) != {
        "workflow_call"
    }:  # what is only called overlaps as the workflows that call it do
        assert workflow(name)["concurrency"]["group"]


@named
def test_every_job_has_permissions_and_a_timeout(job: Job) -> None:
    assert job["permissions"]
    assert "uses" in job or 1 <= job["timeout-minutes"] <= 90


@named
def test_jobs_with_write_permission_run_no_code_of_the_repository(job: Job) -> None:
    if "write" in job["permissions"].values():
        commands = "\n".join(step.get("run", "") for step in steps_of(job))
        assert not re.search(r"\b(make|python|pip|docker build)\b", commands)


@named
def test_identity_tokens_are_used_only_for_signing_and_deploying(job: Job) -> None:
    signs = any(str(step.get("uses")).startswith((SIGN, ATTEST)) for step in steps_of(job))
    calls = str(job.get("uses", "")).endswith(("/build-image.yml", "/deploy.yml"))
    assert ("id-token" in job["permissions"]) == (signs or calls or "environment" in job)


@named
def test_checkouts_do_not_persist_credentials(job: Job) -> None:
    for step in steps_of(job):
        if str(step.get("uses")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_secrets_are_used_only_in_jobs_with_an_environment() -> None:
    for name, path in WORKFLOWS.items():
        if "secrets." in path.read_text():
            assert all("environment" in job for job in workflow(name)["jobs"].values()), name
    jobs = {name for name, job in JOBS.items() if "secrets" in job}
    assert jobs == {"release.yml:staging", "release.yml:production"}


@named
def test_no_untrusted_text_is_interpolated_into_a_script(job: Job) -> None:
    """Values are passed as environment variables, so a shell never interprets them as code."""
    for step in steps_of(job):
        assert "${{" not in step.get("run", "")


@named
def test_every_make_target_exists(job: Job) -> None:
    for step in steps_of(job):
        for target in re.findall(r"^make ([a-z0-9-]+)", step.get("run", ""), re.MULTILINE):
            assert target in TARGETS


def test_releases_are_verified_for_the_workflow_that_signs() -> None:
    """A policy that names a wrong workflow would refuse, or admit, every image."""
    expressions = {
        step["with"]["workflow"]
        for job in JOBS.values()
        for step in steps_of(job)
        if step.get("uses") == VERIFY
    }
    signing = {
        name.partition(":")[0]
        for name, job in JOBS.items()
        if any(step.get("uses") == SIGN for step in steps_of(job))
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


def test_references_are_in_lower_case(tmp_path: Path) -> None:
    """Registries refuse others, and owners of forks may have capitals."""
    action = yaml.safe_load((GITHUB / "actions" / "registry" / "action.yml").read_text())
    completed = run(action["runs"]["steps"][0]["run"], tmp_path, OWNER="AcmeCorp")
    assert completed.returncode == 0, completed.stderr
    assert (tmp_path / "env").read_text() == "REGISTRY=ghcr.io/acmecorp\n"
    for path in WORKFLOWS.values():
        assert "ghcr.io/${{ github.repository_owner }}" not in path.read_text()


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


MANIFESTS = {
    "package-lock.json": "npm",
    "go.mod": "gomod",
    "compose.yaml": "docker-compose",
    "Chart.yaml": "helm",
    "action.yml": "github-actions",
}


def test_dependabot_covers_every_folder_with_pinned_versions() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    assert all(each["groups"] for each in updates)
    covered = {
        (each["package-ecosystem"], folder)
        for each in updates
        for pattern in each.get("directories", [each.get("directory")])
        for folder in (ROOT.glob(pattern[1:]) if pattern != "/" else [ROOT])
    }
    assert ("uv", ROOT / "requirements") in covered
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for path in map(Path, tracked.stdout.splitlines()):
        if (ecosystem := MANIFESTS.get(path.name)) is not None:
            assert (ecosystem, ROOT / path.parent) in covered, path
