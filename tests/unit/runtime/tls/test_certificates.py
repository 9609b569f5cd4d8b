"""Certificates follow their files, and stay what they were while the files do not fit together."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import trustme

from deepfake_serving.runtime.settings import SettingsError
from deepfake_serving.runtime.tls.certificates import CertificateGauges, Certificates
from deepfake_serving.runtime.tls.files import TLSFiles
from tests.support.certificates import mount

SOON = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
LATER = datetime.datetime(2101, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    return mount(tmp_path / "tls", authority, authority, SOON)


@pytest.fixture
def files(folder: Path) -> TLSFiles:
    return TLSFiles(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")


def ends(certificates: Certificates) -> dict[str, float]:
    (family,) = CertificateGauges(certificates).collect()
    return {sample.labels["file"]: sample.value for sample in family.samples}


def test_the_end_of_a_certificate_follows_the_swap_of_its_folder(
    files: TLSFiles, folder: Path, authority: trustme.CA
) -> None:
    certificates = Certificates(files, "server")
    before = certificates.current()
    assert certificates.current() is before
    assert ends(certificates)["certificate"] == SOON.timestamp()
    mount(folder, authority, authority, LATER)
    assert ends(certificates)["certificate"] == LATER.timestamp()
    assert certificates.current().context is not before.context


def test_a_key_of_another_certificate_changes_nothing_until_it_fits(
    files: TLSFiles, folder: Path, authority: trustme.CA
) -> None:
    certificates = Certificates(files, "server")
    before, key = certificates.current(), (folder / "tls.key").read_bytes()
    other = authority.issue_cert("other").private_key_pem.bytes()
    (folder / "tls.key").write_bytes(other)
    assert certificates.current() is before
    (folder / "tls.key").unlink()
    assert certificates.current() is before
    (folder / "tls.key").write_bytes(key)
    assert certificates.current().key == key
    assert certificates.current() is not before


@pytest.mark.parametrize("content", [b"", b"no PEM", None])
@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_wrong_file_is_named_at_the_start(
    files: TLSFiles, folder: Path, name: str, content: bytes | None
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(SettingsError, match=str(folder / name)):
        Certificates(files, "server")
