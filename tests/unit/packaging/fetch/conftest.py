"""Fixtures: a target folder, a certificate authority, and a web server with its certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.unit.packaging.fetch.servers import Files, serving


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Returns a target that exists, with another model beside it: failures must keep both."""
    directory = tmp_path / "models"
    directory.mkdir()
    (directory / "other.mar").write_bytes(b"other")
    (directory / "a.mar").write_bytes(b"older")
    return directory / "a.mar"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """A private CA, and its certificate as a file for SSL_CERT_FILE."""
    authority, path = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path


@pytest.fixture(scope="module")
def files(authority: tuple[trustme.CA, Path]) -> Iterator[str]:
    """The https server, trusted."""
    with pytest.MonkeyPatch.context() as patch, serving(Files, authority[0]) as host:
        patch.setenv("SSL_CERT_FILE", str(authority[1]))
        yield f"https://{host}"
