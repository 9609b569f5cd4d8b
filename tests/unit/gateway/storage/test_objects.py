"""Media and results, in a folder and in S3 (a real endpoint of its protocol, by moto)."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from deepfake_serving.contracts.problems import Internal, NotFound, StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.storage.objects import Objects
from tests.support.small_disk import small_disk


async def test_a_stored_object_is_read_back(objects: Objects, tmp_path: Path) -> None:
    await objects.put("jobs/a/result.json", b"small")
    assert await objects.get("jobs/a/result.json") == b"small"
    await objects.put("jobs/a/result.json", b"again")
    assert await objects.get("jobs/a/result.json") == b"again"
    large = os.urandom(19 * 2**20)
    await objects.put("jobs/a/media", io.BytesIO(large))
    assert await objects.size("jobs/a/media") == len(large)
    await objects.get_file("jobs/a/media", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == large
    begin, end = 4 * 2**20 - 5, 9 * 2**20 + 7
    assert b"".join([p async for p in objects.read("jobs/a/media", begin, end)]) == large[begin:end]


async def test_objects_are_listed_copied_and_deleted(objects: Objects) -> None:
    for name in ("jobs/a/one", "jobs/a/b/two", "jobs/ab/three"):
        await objects.put(name, name.encode())
    await objects.copy("jobs/a/one", "jobs/c/one")
    listed = await objects.list("jobs")
    assert {key: size for key, size, _ in listed} == {
        "jobs/a/one": 10, "jobs/a/b/two": 12, "jobs/ab/three": 13, "jobs/c/one": 10,
    }  # fmt: skip
    await objects.delete_all("jobs/a")
    assert {key for key, _, _ in await objects.list("jobs")} == {"jobs/ab/three", "jobs/c/one"}
    await objects.delete("jobs/c/one")
    await objects.delete("jobs/c/one")
    assert await objects.list("nothing") == []


async def test_a_missing_object_is_not_found(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await objects.get("jobs/none")
    with pytest.raises(NotFound):
        await objects.size("jobs/none")
    with pytest.raises(NotFound):
        await objects.get_file("jobs/none", tmp_path / "none")
    with pytest.raises(NotFound):
        await objects.copy("jobs/none", "jobs/other")


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "../a", "a//b", ".hidden", "a b", "a\0b", "ä"])
async def test_a_key_cannot_leave_the_storage_folder(objects: Objects, key: str) -> None:
    with pytest.raises(Internal):
        await objects.put(key, b"x")


@pytest.mark.parametrize("url", ["", "/folder", "file://", "file:///", "ftp://x", "s3://"])
def test_an_unsupported_storage_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is expected"):
        Objects.open(url)


async def test_a_full_disk_is_a_problem_and_leaves_no_partial_object(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        objects = Objects.open(f"file://{disk}/objects")
        with pytest.raises(StorageFull):
            await objects.put("jobs/a", bytes(3 * 2**20))
        with pytest.raises(NotFound):
            await objects.get("jobs/a")
        await objects.put("jobs/b", b"small")
        assert await objects.get("jobs/b") == b"small"


async def test_transient_s3_errors_are_retried_without_losing_objects(
    s3: str, s3_variables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in between fails the first requests with 500 and 503."""
    errors = [500, 503, 500]

    async def proxy(request: web.Request) -> web.Response:
        body = await request.read()
        if errors:
            return web.Response(status=errors.pop())
        async with (
            ClientSession() as session,
            session.request(
                request.method, s3 + request.path_qs, data=body, headers=request.headers
            ) as response,
        ):
            given = {"ETag": response.headers["ETag"]}
            return web.Response(body=await response.read(), status=response.status, headers=given)

    runner = web.ServerRunner(web.Server(proxy))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        objects = Objects.open(s3_variables)
        await objects.put("kept", b"all the same")
        assert errors == []
        assert await objects.get("kept") == b"all the same"
    finally:
        await runner.cleanup()


async def test_an_unreachable_s3_is_a_problem(
    s3_variables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepfake_serving.gateway.storage.objects._RETRIES", {"max_retries": 1})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UpstreamUnavailable):
        async with asyncio.timeout(120):
            await Objects.open(s3_variables).get("a")
