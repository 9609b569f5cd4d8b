"""Rollbacks: of an upgrade that was cut off, with keys changed since, and where they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.cluster.kube import CHART, VALUES, Release, run, wait_until
from tests.cluster.load import Clients

ADDED = "- {id: added, hash: 'sha256:" + "0" * 64 + "', scopes: [images]}\n"


def revisions(release: Release) -> list[tuple[int, str]]:
    """Returns the number and the status of each revision, the newest last."""
    listed = run("helm", "history", release.name, "-n", release.namespace, "-o", "yaml")
    return [(each["revision"], each["status"]) for each in yaml.safe_load(listed)]


def roll_back(release: Release, revision: int, *options: str) -> None:
    run("helm", "rollback", release.name, str(revision), "-n", release.namespace, *options)


def keys(release: Release) -> str:
    return release.secret(f"{release.fullname}-keys", "keys.yaml")


@pytest.fixture
def cut_off(release: Release) -> int:
    """Kills an upgrade to an image that does not exist; returns the revision before it."""
    (*_, (good, _status)) = revisions(release)
    upgrade = subprocess.Popen(
        [
            *("helm", "upgrade", release.name, str(CHART), "-n", release.namespace, "--wait"),
            *("-f", str(VALUES), "--set", "image.gateway.tag=gone,image.modelServer.tag=gone"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: len(release.pods("gateway")) == 2, 180, "a pod of the new image")
    finally:
        upgrade.kill()
        upgrade.wait()
    return good


def test_a_rollback_of_an_upgrade_that_was_cut_off_loses_no_request(
    release: Release, clients: Callable[..., Clients], cut_off: int
) -> None:
    assert revisions(release)[-1][1] == "pending-upgrade"
    with pytest.raises(AssertionError, match=r"another operation .* is in progress"):
        release.upgrade()
    with clients(rest=2, rpc=1) as load:
        load.until(10)
        roll_back(release, cut_off, "--wait", "--timeout", "3m")
        load.until(10)
    assert load.counts.failed == []
    assert revisions(release)[-1][1] == "deployed"
    release.upgrade()


def test_a_rollback_keeps_keys_changed_since(release: Release) -> None:
    before, (last, _) = keys(release), revisions(release)[-1]
    changed = before + ADDED
    release.kubectl(
        *("patch", "secret", f"{release.fullname}-keys", "-p"),
        yaml.safe_dump({"stringData": {"keys.yaml": changed}}),
    )
    release.upgrade()
    assert keys(release) == changed
    roll_back(release, last)
    assert keys(release) == changed


@pytest.fixture
def own_keys(release: Release) -> Iterator[str]:
    release.kubectl(
        "create", "secret", "generic", "own", f"--from-literal=keys.yaml={keys(release)}"
    )
    yield "own"
    release.kubectl("delete", "secret", "own")


def test_a_rollback_returns_to_the_generated_keys(release: Release, own_keys: str) -> None:
    last, _ = revisions(release)[-1]
    release.upgrade(values={"gateway": {"auth": {"existingSecret": own_keys}}})
    roll_back(release, last, "--wait", "--timeout", "3m")
    assert revisions(release)[-1][1] == "deployed"


def test_an_upgrade_returns_to_the_claim_where_a_rollback_fails(release: Release) -> None:
    """The runbook names the message: Helm takes no object over that the last revision lacks."""
    last, _ = revisions(release)[-1]
    release.upgrade(values={"media": {"type": "s3", "s3": {"url": "s3://media"}}}, wait=False)
    with pytest.raises(AssertionError, match=r"no PersistentVolumeClaim with the name .* found"):
        roll_back(release, last)
    release.upgrade()
    assert release.ready("gateway") == 1
