"""A deployment: what it verifies, which credentials it has, and what it goes back to."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.chart.workflows import JOBS, VERIFY, chart_images, program, run, steps_of, workflow
from tests.support.paths import ROOT


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


def test_a_deployment_downloads_nothing_after_the_upgrade() -> None:
    """A registry that is down then must not roll back what works."""
    steps = steps_of(JOBS["deploy.yml:deploy"])
    upgrade = [step.get("id") for step in steps].index("upgrade")
    scripts = [step.get("run", "") for step in steps]
    (pulled,) = [place for place, each in enumerate(scripts) if each.startswith("docker pull")]
    verified = max(place for place, step in enumerate(steps) if step.get("uses") == VERIFY)
    assert verified < pulled < upgrade
    (smoke,) = [each for each in scripts if "scripts.smoke" in each]
    image = '"$REGISTRY/model-server@$MODEL_SERVER"'
    assert image in scripts[pulled]
    assert image in smoke
    assert "--create-namespace" not in scripts[upgrade]


def test_a_deployment_runs_no_code_of_the_repository() -> None:
    """It has credentials of the cluster, which a package's code could read."""
    for step in steps_of(JOBS["deploy.yml:deploy"]):
        assert not re.search(r"\b(make|python|pip|uv)\b", step.get("run", ""))
        assert "setup-python" not in str(step.get("uses"))


INSTALLED = """
case "$1" in
  list) echo '[{"name": "deepfake-serving"}]' ;;
  history) echo '[{"revision": 6, "status": "deployed"}, {"revision": 7, "status": "failed"}]' ;;
esac
"""


def _before(folder: Path, helm: str) -> subprocess.CompletedProcess[str]:
    """Runs the deployment's look at what is installed, with a stub of Helm."""
    program(folder, "helm", helm)
    (script,) = [
        step["run"] for step in steps_of(JOBS["deploy.yml:deploy"]) if step.get("id") == "before"
    ]
    given = {"RELEASE": "deepfake-serving", "NAMESPACE": "n", "VALUES": ""}
    return run(script, folder, **given, RUNNER_TEMP=str(folder))


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


def _credentials(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the step that writes the kubeconfig, with a stub of kubectl."""
    program(folder, "kubectl", 'echo "$*" >>calls')
    (script,) = [
        step["run"]
        for step in steps_of(JOBS["deploy.yml:deploy"])
        if step.get("name") == "Credentials of the cluster"
    ]
    given = {"CONTENT": "clusters: []", "AUDIENCE": "", "ENVIRONMENT": "staging"}
    paths = {"KUBECONFIG": str(folder / "kubeconfig"), "RUNNER_TEMP": str(folder)}
    return run(script, folder, **given | paths | environment)


def test_an_environment_without_secrets_is_named(tmp_path: Path) -> None:
    completed = _credentials(tmp_path, CONTENT="", ENVIRONMENT="prodution")
    assert completed.returncode != 0
    assert "prodution has no secret KUBECONFIG" in completed.stdout


def test_a_kubeconfig_with_a_user_is_used_as_it_is(tmp_path: Path) -> None:
    assert _credentials(tmp_path).returncode == 0
    assert (tmp_path / "kubeconfig").read_text() == "clusters: []"
    assert not (tmp_path / "calls").exists()


def test_a_cluster_that_trusts_github_gets_its_token(tmp_path: Path) -> None:
    """The program that kubectl and Helm call for a token, as long as the job runs."""
    completed = _credentials(tmp_path, AUDIENCE="https://k.example.com")
    assert completed.returncode == 0, completed.stderr
    calls = (tmp_path / "calls").read_text()
    assert f"--exec-command=bash --exec-arg={tmp_path}/identity" in calls
    assert "set-context --current --user=github" in calls
    expires = datetime(2026, 12, 1, 10, 5, tzinfo=UTC)
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(expires.timestamp())}).encode())
    token = f"e30.{claims.decode().rstrip('=')}.c2ln"
    program(tmp_path, "curl", f"""printf '%s\\n' "$@" >>calls; echo '{{"value": "{token}"}}'""")
    request = {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://g?a=b",
    }
    command = (tmp_path / "identity").read_text()
    completed = run(command, tmp_path, AUDIENCE="https://k.example.com", **request)
    credential = json.loads(completed.stdout)
    status = {"token": token, "expirationTimestamp": "2026-12-01T10:04:30Z"}
    assert (credential["kind"], credential["status"]) == ("ExecCredential", status)
    calls = (tmp_path / "calls").read_text()
    assert "Authorization: bearer t\n" in calls
    assert "audience=https://k.example.com\nhttps://g?a=b\n" in calls
    program(tmp_path, "curl", "exit 22")
    assert run(command, tmp_path, AUDIENCE="https://k.example.com", **request).returncode != 0


def test_a_cluster_trusts_only_deployments_of_tags() -> None:
    text = (ROOT / "k8s" / "policy" / "github-identity.yaml").read_text()
    (trusted,) = yaml.safe_load(text)["jwt"]
    rules = " ".join(rule["expression"] for rule in trusted["claimValidationRules"])
    (prefix,) = re.findall(r'job_workflow_ref\.startsWith\("([^"]*)"\)', rules)
    assert prefix == "deepfake-serving/deepfake-serving/.github/workflows/deploy.yml@refs/tags/v"
    assert 'claims.repository == "deepfake-serving/deepfake-serving"' in rules


def test_an_upgrade_that_was_cut_off_is_rolled_back() -> None:
    """Helm leaves it pending, and refuses every later upgrade."""
    (condition,) = [
        step["if"]
        for step in steps_of(JOBS["deploy.yml:deploy"])
        if str(step.get("run", "")).startswith("helm rollback")
    ]
    for outcome in ("success", "cancelled"):
        assert f"steps.upgrade.outcome == '{outcome}'" in condition


def test_a_rollback_is_recorded_before_it_is_waited_for(tmp_path: Path) -> None:
    """A `helm rollback --wait` that is cut off leaves the broken revision as the deployed one."""
    for name in ("helm", "kubectl"):
        program(tmp_path, name, f'echo "{name} $*" >>calls')
    (script,) = [
        step["run"]
        for step in steps_of(JOBS["deploy.yml:deploy"])
        if str(step.get("run", "")).startswith("helm rollback")
    ]
    given = {"RELEASE": "deepfake-serving", "REVISION": "6", "NAMESPACE": "n"}
    assert run(script, tmp_path, **given).returncode == 0
    rollback, wait = (tmp_path / "calls").read_text().splitlines()
    assert rollback == "helm rollback deepfake-serving 6 -n n"
    assert wait.startswith("kubectl rollout status deployment,statefulset ")


def test_the_documented_deployment_gives_every_required_input() -> None:
    """On a tag, as the environment `production` allows no branch."""
    text = (ROOT / "docs" / "delivery.md").read_text().replace("\\\n", "")
    (command,) = re.findall(r"gh workflow run deploy\.yml (.*)", text)
    inputs = workflow("deploy.yml")[True]["workflow_dispatch"]["inputs"]
    assert set(re.findall(r"-f ([\w-]+)=", command)) == {
        name for name, each in inputs.items() if each["required"]
    }
    assert re.search(r"--ref v\d", command)
