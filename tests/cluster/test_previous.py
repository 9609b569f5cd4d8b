"""An upgrade from the previous release to this tree, under load.

The previous release is the chart of the newest tag or, before the first release, the first chart
that can be upgraded: a Service does not become headless.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import CHART, ROOT, VALUES, Release, run
from tests.cluster.load import Clients


def previous() -> str:
    tags = run("git", "-C", str(ROOT), "tag", "--list", "v*", "--sort=-version:refname").split()
    if tags:
        return tags[0]
    service = CHART / "templates" / "redis" / "service.yaml"
    first = ["log", "-SclusterIP: None", "--format=%H", "--", str(service)]
    found = run("git", "-C", str(ROOT), *first).split()
    assert found, "this clone has neither tags nor history: fetch them"
    return found[-1]


@pytest.fixture
def older(namespace: str, tmp_path: Path) -> Iterator[Release]:
    revision = previous()
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", revision, str(CHART.relative_to(ROOT))],
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path, filter="data")
    release = Release("older", namespace)
    run(
        *("helm", "install", release.name, str(tmp_path / CHART.relative_to(ROOT))),
        *("-n", namespace, "-f", str(VALUES), "--wait", "--timeout", "3m"),
    )
    yield release
    release.uninstall()


def test_an_upgrade_from_the_previous_release_loses_no_request(
    older: Release, astronaut_jpeg: bytes
) -> None:
    key = older.key
    clients = Clients(older.url, older.address("grpc"), key, astronaut_jpeg, rest=2, rpc=1)
    with clients as load:
        load.until(20)
        older.upgrade()
        load.until(20)
    print(f"\nfrom {previous()}: {dict(load.counts.good)} succeeded")
    assert load.counts.failed == []
    assert older.key == key
    older.test()
