"""Archives in the user's folder after an upgrade: packed again, unless the user provided them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from deepfake_serving.packaging import bundled
from deepfake_serving.packaging.bundled import bundled_manifests, needs_packing, pack
from tests.support.paths import MANIFESTS

MANIFEST = MANIFESTS / "faces.yaml"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    pack(MANIFEST, folder)
    return folder


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    """Returns a folder with the archive and its record."""
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def _upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes the code that runs in a worker."""
    newer = bundled.packed_code() | {"model_handlers/__init__.py": b"newer = True"}
    monkeypatch.setattr(bundled, "packed_code", lambda: newer)


def replace_manifest(archive: Path, change: tuple[bytes, bytes]) -> None:
    """Rewrites an archive with another manifest."""
    with zipfile.ZipFile(archive) as before:
        entries = {name: before.read(name) for name in before.namelist()}
    entries["model.json"] = entries["model.json"].replace(*change)
    with zipfile.ZipFile(archive, "w") as after:
        for name, content in entries.items():
            after.writestr(name, content)


def test_a_missing_archive_is_packed(tmp_path: Path) -> None:
    assert needs_packing(MANIFEST, tmp_path)


def test_an_archive_of_this_version_is_kept(folder: Path) -> None:
    assert not needs_packing(MANIFEST, folder)


@pytest.mark.usefixtures("_upgrade")
def test_an_archive_of_another_version_is_packed_again(folder: Path) -> None:
    assert needs_packing(MANIFEST, folder)


def test_a_changed_bundled_manifest_is_packed_again(folder: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer" / "faces.yaml"
    newer.parent.mkdir()
    newer.write_text(MANIFEST.read_text().replace('version: "1.1"', 'version: "9.8"'))
    assert newer.read_text() != MANIFEST.read_text()
    assert needs_packing(newer, folder)


@pytest.mark.usefixtures("_upgrade")
def test_an_archive_without_a_record_is_packed_again(folder: Path) -> None:
    (folder / "faces.packed.json").unlink()
    assert needs_packing(MANIFEST, folder)


@pytest.mark.usefixtures("_upgrade")
def test_an_archive_of_the_user_is_kept(folder: Path) -> None:
    replace_manifest(folder / "faces.mar", (b'"version": "1.1"', b'"version": "9.9"'))
    assert not needs_packing(MANIFEST, folder)


@pytest.mark.usefixtures("_upgrade")
def test_an_archive_from_a_manifest_of_the_user_is_kept(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own" / "faces.yaml"
    own.parent.mkdir()
    own.write_text(MANIFEST.read_text().replace('version: "1.1"', 'version: "9.9"'))
    pack(own, folder)
    assert not (folder / "faces.packed.json").exists()
    assert not needs_packing(MANIFEST, folder)


@pytest.mark.usefixtures("_upgrade")
@pytest.mark.parametrize("record", [b"", b"[]", b"{}"])
def test_a_broken_record_is_treated_as_missing(folder: Path, record: bytes) -> None:
    (folder / "faces.packed.json").write_bytes(record)
    assert needs_packing(MANIFEST, folder)


def test_a_file_that_is_not_an_archive_is_kept(folder: Path) -> None:
    (folder / "faces.mar").write_bytes(b"no archive")
    assert not needs_packing(MANIFEST, folder)


def test_other_weights_are_packed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    default = bundled_manifests()["classifier"]
    pack(default, folder)
    monkeypatch.setenv("DEEPFAKE_WEIGHTS", "permissive")
    permissive = bundled_manifests()["classifier"]
    assert needs_packing(permissive, folder)
    pack(permissive, folder)
    assert not needs_packing(permissive, folder)
    monkeypatch.delenv("DEEPFAKE_WEIGHTS")
    assert needs_packing(default, folder)
