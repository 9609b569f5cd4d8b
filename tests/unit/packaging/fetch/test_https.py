"""Fetching by https: TLS with a private CA, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from deepfake_serving.packaging.fetch import SourceUnreachable, UnsupportedSource, fetch
from deepfake_serving.packaging.https import trusted
from tests.support.ports import free_port
from tests.support.properties import examples
from tests.unit.packaging.fetch import servers
from tests.unit.packaging.fetch.material import BODY, DIGEST, unchanged
from tests.unit.packaging.fetch.servers import Files, serving


def test_https_downloads_report_progress(files: str, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    fetch(f"{files}/models/a.mar#x", target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps == sorted(steps)
    assert steps[0] == (0, len(BODY))
    assert steps[-1] == (len(BODY), len(BODY))
    assert len(steps) > 2, "not streamed"


@pytest.mark.parametrize("path", ["moved", "signed?key=a%2Fb&sig=x"])
def test_https_follows_redirects_and_keeps_queries(files: str, target: Path, path: str) -> None:
    fetch(f"{files}/{path}", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(("path", "reason"), [
    ("nothing", "404"), ("signed?sig=hidden", "403"), ("broken", "500"), ("loop", "redirects"),
    ("cut/1500000", "1500000 bytes read, 1060000 more"),
])  # fmt: skip
def test_failures_of_https_are_reported(files: str, target: Path, path: str, reason: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable) as caught:
        fetch(f"{files}/{path}", target, DIGEST)
    assert reason in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_https_does_not_follow_redirects_to_plain_http(files: str, target: Path) -> None:
    with unchanged(target.parent), pytest.raises(UnsupportedSource, match="plain http"):
        fetch(f"{files}/downgraded", target, DIGEST)


def test_https_works_without_a_content_length(files: str, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    fetch(f"{files}/unstated", target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps[0] == (0, None)


@pytest.fixture
def request_count(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Returns a counter of further requests."""
    counter = count()
    monkeypatch.setattr(servers, "requests_so_far", counter)
    return counter


def test_a_busy_server_is_retried_at_once(
    files: str, target: Path, request_count: Iterator[int]
) -> None:
    """Ignores `Retry-After` of an hour; otherwise the test would not end."""
    fetch(f"{files}/busy/2", target, DIGEST)
    assert next(request_count) == 3


def test_a_busy_server_is_not_retried_for_ever(
    files: str, target: Path, request_count: Iterator[int]
) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="503"):
        fetch(f"{files}/busy/9", target, DIGEST)
    assert next(request_count) == 4


def test_an_interrupted_download_resumes_at_its_offset(files: str, target: Path) -> None:
    """Two connections receive a chunk of 1 MiB and a part of the next; a third one the rest."""
    steps: list[tuple[int, int | None]] = []
    source = f"{files}/fragile/1100000/same/0"
    fetch(source, target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps == [(completed, len(BODY)) for completed in (0, 2**20, 2**21, len(BODY))]


@pytest.mark.parametrize("path", [
    "1100000/same/1",  # another range than the requested one
    "1100000/new/0",  # another file at each request
    "1100000/weak/0",  # a weak ETag
    "100000/same/0",  # still incomplete after the maximum number of connections
])  # fmt: skip
def test_an_interrupted_download_that_cannot_resume_fails(
    files: str, target: Path, path: str
) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="broken"):
        fetch(f"{files}/fragile/{path}", target, DIGEST)


def test_every_connection_of_a_download_is_closed(
    files: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses: list[requests.Response] = []
    send = HTTPAdapter.send

    def record(*args: Any, **options: Any) -> requests.Response:
        responses.append(send(*args, **options))
        return responses[-1]

    monkeypatch.setattr(HTTPAdapter, "send", record)
    with pytest.raises(SourceUnreachable):
        fetch(f"{files}/fragile/1100000/same/1", target, DIGEST)
    assert len(responses) == 2
    assert [response.raw.closed for response in responses] == [True, True]


@settings(max_examples=examples(20))
@given(cut=st.integers(0, len(BODY) - 1), older=st.none() | st.binary(max_size=9))
def test_an_interrupted_download_leaves_the_directory_unchanged(
    files: str, tmp_path_factory: pytest.TempPathFactory, cut: int, older: bytes | None
) -> None:
    target = tmp_path_factory.mktemp("models") / "a.mar"
    if older is not None:
        target.write_bytes(older)
    with unchanged(target.parent), pytest.raises(SourceUnreachable):
        fetch(f"{files}/cut/{cut}", target, DIGEST)


def test_an_unknown_certificate_is_refused(
    files: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="SSL_CERT_FILE"):
        fetch(f"{files}/models/a.mar", target, DIGEST)


def test_plain_http_is_allowed_on_loopback(target: Path) -> None:
    with serving(Files) as host:
        fetch(f"http://{host}/models/a.mar", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("source", ["http://{}/a.mar", "https://u:hidden@{}/a", "oci://{}/a:1"])
def test_a_refused_connection_is_reported(target: Path, source: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="refused") as caught:
        fetch(source.format(f"127.0.0.1:{free_port()}"), target, DIGEST)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(("file", "counts"), [("a1b2c3d4.0", True), ("ca-bundle.crt", False)])
def test_a_folder_of_authorities_counts_if_openssl_finds_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, counts: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trusted() is True
    (tmp_path / file).touch()
    assert trusted() == (str(tmp_path) if counts else True)
