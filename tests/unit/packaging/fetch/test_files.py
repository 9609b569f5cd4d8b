"""Fetching local files, and common properties of all sources."""

from __future__ import annotations

import logging
import stat
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from deepfake_serving.packaging import fetch as fetch_module
from deepfake_serving.packaging.fetch import (
    DigestMismatch,
    FetchError,
    SourceUnreachable,
    UnsupportedSource,
    download,
    fetch,
    shown_progress,
)
from deepfake_serving.packaging.hub import hub_url
from deepfake_serving.packaging.source_content import Content
from tests.support.small_disk import small_disk
from tests.unit.packaging.fetch.material import BODY, DIGEST, OTHER, sha256, snapshot, unchanged


@pytest.mark.parametrize("prefix", ["", "sha256:", "SHA256:"])
def test_a_local_path_is_copied(tmp_path: Path, target: Path, prefix: str) -> None:
    source = tmp_path / "ü %41.mar"
    source.write_bytes(BODY)
    assert fetch(str(source), target, prefix + DIGEST.upper()) == target
    assert target.read_bytes() == BODY
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert set(snapshot(target.parent)) == {"a.mar", "other.mar"}


def test_a_file_url_is_copied_into_a_new_directory(tmp_path: Path) -> None:
    (tmp_path / "ü %41.mar").write_bytes(BODY)
    target = tmp_path / "new" / "deep" / "a.mar"
    fetch((tmp_path / "ü %41.mar").as_uri(), target, DIGEST)
    assert target.read_bytes() == BODY


def test_a_file_that_exists_is_not_fetched_again(target: Path) -> None:
    target.write_bytes(BODY)
    with unchanged(target.parent):
        fetch("/nowhere/a.mar", target, DIGEST, progress=lambda done, total: pytest.fail("read"))


def test_a_missing_source_creates_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match=r"/nowhere/a\.mar: no such file"):
        fetch("/nowhere/a.mar", tmp_path / "new" / "a.mar", DIGEST)
    assert not list(tmp_path.iterdir())


def test_a_target_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        fetch("/nowhere/a.mar", tmp_path, DIGEST)


@pytest.mark.parametrize("digest", ["", "abc", DIGEST[:-1], DIGEST + "0", f"md5:{DIGEST}"])
def test_digest_is_required(target: Path, digest: str) -> None:
    with pytest.raises(FetchError, match="not a sha256"):
        fetch("/nowhere/a.mar", target, digest)


def test_a_wrong_digest_is_refused(tmp_path: Path, target: Path) -> None:
    (tmp_path / "b.mar").write_bytes(OTHER)
    with unchanged(target.parent), pytest.raises(DigestMismatch) as caught:
        fetch(str(tmp_path / "b.mar"), target, DIGEST)
    assert (caught.value.expected, caught.value.actual) == (DIGEST, sha256(OTHER))
    assert DIGEST in str(caught.value)
    assert sha256(OTHER) in str(caught.value)


@pytest.mark.parametrize("source", [
    "ftp://example.com/a.mar", "http://example.com/a.mar", "http://127.0.0.1.example.com/a.mar",
    "file://models/a.mar", "s3://bucket", "s3://no bucket/key", "gs:///key", "oci://localhost/a:1",
    "oci://repo:1", "://a.mar",
])  # fmt: skip
def test_unsupported_sources_are_refused(target: Path, source: str) -> None:
    with unchanged(target.parent), pytest.raises(UnsupportedSource, match=source.split("?")[0]):
        fetch(source, target, DIGEST)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError, ZeroDivisionError])
def test_a_fault_midway_leaves_no_file(
    tmp_path: Path, target: Path, fault: type[BaseException]
) -> None:
    (tmp_path / "b.mar").write_bytes(BODY)

    def progress(done: int, total: int | None) -> None:
        if done:
            raise fault

    with unchanged(target.parent), pytest.raises(fault):
        fetch(str(tmp_path / "b.mar"), target, DIGEST, progress=progress)


@pytest.mark.parametrize("size", [len(BODY), None, 1])
def test_the_limit_applies_to_stated_unstated_and_understated_sizes(
    target: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(fetch_module, "open_source", lambda _: Content(size, iter([BODY] * 2)))
    with (
        unchanged(target.parent),
        pytest.raises(FetchError, match="larger than the limit of 1000 bytes"),
    ):
        fetch("any", target, DIGEST, max_bytes=1000)


def test_progress_is_shown_on_a_terminal(tmp_path: Path, target: Path) -> None:
    (tmp_path / "b.mar").write_bytes(BODY)
    screen = StringIO()
    with shown_progress("b.mar", Console(file=screen, force_terminal=True, width=80)) as progress:
        fetch(str(tmp_path / "b.mar"), target, DIGEST, progress=progress)
    assert "b.mar" in screen.getvalue()
    assert "2.6/2.6 MB" in screen.getvalue()


def test_progress_is_shown_in_a_log(
    tmp_path: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "deepfake_serving.packaging.fetch")
    (tmp_path / "b.mar").write_bytes(BODY)
    for _ in range(2):
        with shown_progress("b.mar", Console(file=StringIO())) as progress:
            fetch(str(tmp_path / "b.mar"), target, DIGEST, progress=progress)
    first, second = caplog.messages
    assert first.startswith("b.mar: fetched 2.6 MB in ")
    assert second == "b.mar: exists already"


def test_a_download_returns_the_digest_of_what_it_got(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "checkpoint.pt"
    source.write_bytes(BODY)
    assert download(str(source), target) == DIGEST
    assert target.read_bytes() == BODY


def test_a_download_beyond_the_limit_leaves_the_target(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "checkpoint.pt"
    source.write_bytes(BODY)
    with unchanged(target.parent), pytest.raises(FetchError, match="larger than the limit"):
        download(str(source), target, max_bytes=len(BODY) - 1)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("hf://owner/name/a.pt", "owner/name/resolve/main/a.pt"),
        ("hf://owner/name@v1.0/folder/a b.pt", "owner/name/resolve/v1.0/folder/a%20b.pt"),
    ],
)
def test_a_file_of_the_hub_has_an_https_url(
    source: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub_url(source) == f"https://huggingface.co/{path}"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_url(source) == f"https://mirror.example/{path}"


@pytest.mark.parametrize("source", ["hf://owner", "hf://owner/name", "hf://a/b@/c", "hf://a b/c/d"])
def test_a_malformed_source_of_the_hub_is_refused(source: str, target: Path) -> None:
    with pytest.raises(UnsupportedSource, match="hf://owner/name"):
        fetch(source, target, DIGEST)


def test_a_full_disk_is_named_with_the_target(tmp_path: Path) -> None:
    source = tmp_path / "a.mar"
    source.write_bytes(bytes(2 * 2**20))
    with small_disk(tmp_path / "disk", "1m") as disk:
        target = disk / "a.mar"
        with pytest.raises(OSError, match=r"No space left on device: '.*/disk/a\.mar'"):
            fetch(str(source), target, sha256(source.read_bytes()))
        assert not list(disk.iterdir())


def test_a_folder_that_cannot_be_written_is_named_with_the_target(tmp_path: Path) -> None:
    (tmp_path / "a.mar").write_bytes(BODY)
    with pytest.raises(OSError, match=r"'/proc/a\.mar'"):
        fetch(str(tmp_path / "a.mar"), Path("/proc/a.mar"), DIGEST)
