"""Fetching from OCI registries: a stub, and Debian's `docker-registry` if it is on PATH.

With REQUIRE_DOCKER_REGISTRY=1 the tests fail without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from deepfake_serving.packaging import oci
from deepfake_serving.packaging.fetch import (
    DigestMismatch,
    SourceUnreachable,
    UnsupportedSource,
    fetch,
)
from tests.unit.packaging.fetch.material import BODY, DIGEST, unchanged
from tests.unit.packaging.fetch.registries import (
    BASIC,
    Artifact,
    docker_registry,
    push,
    registries,
    stub_registry,
)
from tests.unit.packaging.fetch.servers import Files, serving


@pytest.fixture(scope="module", params=registries(), ids=str)
def artifact(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artifact]:
    kind, password = request.param
    folder = tmp_path_factory.mktemp("registry")
    served = (
        docker_registry(folder, password) if kind != "stub" else serving(stub_registry(password))
    )
    with served as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        (folder / ".docker").mkdir()
        auths = {host: {"auth": BASIC}} if password else {}
        (folder / ".docker/config.json").write_text(json.dumps({"auths": auths}))
        yield Artifact(host, push(host, folder, "basic" if password else "token"))


def test_an_archive_is_fetched_from_a_registry(artifact: Artifact, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    source = f"oci://{artifact.host}/team/one:1"
    fetch(source, target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps[-1] == (len(BODY), len(BODY))
    assert len(steps) > 2, "not streamed"


@pytest.mark.parametrize("reference", ["one@{}", "one:1@{}", "one@{}#a.mar", "two:1#a.mar"])
def test_oci_sources_may_name_a_digest_or_a_tag(
    artifact: Artifact, target: Path, reference: str
) -> None:
    fetch(f"oci://{artifact.host}/team/{reference.format(artifact.one)}", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(("reference", "reason"), [
    ("one:9", "Not Found"), ("none:1", "Not Found"), ("one:1#c.mar", r"\['a.mar'\]"),
    ("two:1", r"choose one with #name from \['a.mar', 'b.mar'\]"),
])  # fmt: skip
def test_failures_of_a_registry_are_reported(
    artifact: Artifact, target: Path, reference: str, reason: str
) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match=reason):
        fetch(f"oci://{artifact.host}/team/{reference}", target, DIGEST)


def test_a_wrong_digest_from_a_registry_is_refused(artifact: Artifact, target: Path) -> None:
    with unchanged(target.parent), pytest.raises(DigestMismatch):
        fetch(f"oci://{artifact.host}/team/two:1#b.mar", target, DIGEST)


def test_a_registry_without_the_password_is_refused(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        serving(stub_registry(password=True)) as host,
        unchanged(target.parent),
        pytest.raises(SourceUnreachable, match="authentication"),
    ):
        fetch(f"oci://{host}/team/one:1", target, DIGEST)


def test_a_registry_is_reached_over_tls(
    authority: tuple[trustme.CA, Path],
    tmp_path: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Treats loopback as remote, because only remote registries must use TLS."""
    monkeypatch.setattr(oci, "is_loopback", lambda host: False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(stub_registry(), authority[0]) as host:
        push(host, tmp_path, trust=str(authority[1]))
        with unchanged(target.parent), pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY"):
            fetch(f"oci://{host}/team/one:1", target, DIGEST)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
        fetch(f"oci://{host}/team/one:1", target, DIGEST)
    assert target.read_bytes() == BODY


def test_interrupted_and_redirected_blobs_are_refused(tmp_path: Path, target: Path) -> None:
    with serving(Files) as files:
        for blobs_at, error in {
            f"http://{files}/cut/1500000": SourceUnreachable,
            "http://example.com/a.mar": UnsupportedSource,
        }.items():
            with serving(stub_registry(blobs_at=blobs_at)) as host:
                push(host, tmp_path)
                with unchanged(target.parent), pytest.raises(error):
                    fetch(f"oci://{host}/team/one:1", target, DIGEST)
