"""Pages with videos on loopback, resolved by the real yt-dlp (its generic extractor)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.fetch.sites import SCRATCH, Sites
from deepfake_serving.runtime.scratch.workspaces import delete_abandoned
from tests.support.paths import ROOT

ALLOWED = ["127.0.0.1/32"]
PAGE = "<html><body><video src='{}'></video></body></html>"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def sites(timeout_s: float = 60, allowed: list[str] = ALLOWED) -> Sites:
    return Sites(Fetcher(AddressPolicy(allowed), 10), allowed, timeout_s)


def showing(source: str) -> Handler:
    async def page(_: web.BaseRequest) -> web.Response:
        return web.Response(text=PAGE.format(source), content_type="text/html")

    return page


async def test_the_video_of_a_page_is_found() -> None:
    async with serving(showing("/clip.mp4")) as url:
        assert await sites().resolve(f"{url}/watch") == f"{url}/clip.mp4"


async def test_the_url_of_a_video_file_is_not_resolved_as_a_page() -> None:
    requests: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        requests.append(request.path)
        return web.Response()

    async with serving(note) as url:
        assert await sites().resolve(f"{url}/a.mp4?b=c") == f"{url}/a.mp4?b=c"
    assert requests == []


async def test_a_page_without_a_video_is_unreachable() -> None:
    async with serving(showing("")) as url:
        with pytest.raises(UnreachableURL, match="no video"):
            await sites().resolve(f"{url}/watch")


async def test_a_page_at_a_forbidden_address_is_not_requested() -> None:
    requests: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        requests.append(request.path)
        return web.Response(text=PAGE.format("/clip.mp4"), content_type="text/html")

    async with serving(note) as url:
        for page in (url, url.replace("127.0.0.1", "localhost"), "http://[::1]"):
            with pytest.raises(RefusedURL, match="not public") as caught:
                await sites(allowed=[]).resolve(f"{page}/watch")
            assert "127.0" not in caught.value.detail
    assert requests == []


async def test_a_redirect_of_a_page_to_a_refused_address_is_refused() -> None:
    requests: list[str] = []

    async def inner(request: web.BaseRequest) -> web.Response:
        requests.append(request.path)
        return web.Response(text=PAGE.format("/clip.mp4"), content_type="text/html")

    async with serving(inner, "127.0.0.2") as private:

        async def away(_: web.BaseRequest) -> web.Response:
            raise web.HTTPFound(f"{private}/metadata")

        async with serving(away) as url:
            with pytest.raises(RefusedURL, match="not public"):
                await sites().resolve(f"{url}/watch")
    assert requests == []


@pytest.mark.parametrize("source", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp4"])
async def test_a_page_whose_video_is_not_http_is_refused(source: str) -> None:
    async with serving(showing(source)) as url:
        with pytest.raises((RefusedURL, UnreachableURL)):
            await sites().resolve(f"{url}/watch")


@pytest.mark.parametrize("page", ["file:///etc/passwd", "ytsearch:cats", "http://u:p@127.0.0.1/"])
async def test_an_invalid_url_is_not_passed_to_the_process(page: str) -> None:
    with pytest.raises(RefusedURL):
        await sites().resolve(page)


async def test_a_slow_page_times_out_and_its_process_ends() -> None:
    async def silent(_: web.BaseRequest) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    before = _children()
    async with serving(silent) as url:
        with pytest.raises(DeadlineExceeded, match="limit of 3 s"):
            await sites(timeout_s=3).resolve(f"{url}/watch")
    assert _children() <= before


async def test_the_folder_of_a_running_process_is_not_taken_for_one_of_a_killed_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{SCRATCH}killed").mkdir()
    left: list[int] = []

    async def page(_: web.BaseRequest) -> web.Response:
        for name in os.listdir(tmp_path):
            os.utime(tmp_path / name, (0, 0))
        delete_abandoned(SCRATCH)
        left.append(len(os.listdir(tmp_path)))
        return web.Response(text=PAGE.format("/clip.mp4"), content_type="text/html")

    async with serving(page) as url:
        await sites().resolve(f"{url}/watch")
    assert set(left) == {1}
    assert os.listdir(tmp_path) == []


async def test_a_cancelled_request_ends_the_process() -> None:
    requested = asyncio.Event()
    before, running = _children(), set[str]()

    async def silent(_: web.BaseRequest) -> web.Response:
        running.update(_children() - before)
        requested.set()
        await asyncio.sleep(60)
        return web.Response()

    async with serving(silent) as url:
        task = asyncio.create_task(sites().resolve(f"{url}/watch"))
        await requested.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert running
        assert not running & _children()


async def test_an_endless_page_is_limited() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<html><!doctype html>")
        while True:
            await response.write(bytes(2**20))

    async with serving(endless) as url:
        with pytest.raises((UnreachableURL, DeadlineExceeded)):
            await sites().resolve(f"{url}/watch")


FORBIDDEN = [
    "subprocess.run(['true'])",
    "os.system('true')",
    "os.fork()",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "os.execv('/bin/true', ['true'])",
    "socket.create_connection(('127.0.0.1', 9))",
    "socket.socket().connect(('localhost', 9))",
    "socket.socket(socket.AF_UNIX).connect('/run/docker.sock')",
    "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('8.8.8.8', 9))",
]


def test_the_process_can_neither_start_programs_nor_connect_to_private_addresses() -> None:
    code = f"""\
import os, socket, subprocess
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.site_process import Guard

Guard(AddressPolicy())
for attempt in {FORBIDDEN}:
    try:
        exec(attempt)
    except PermissionError:
        print(attempt)
"""
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert completed.stdout.splitlines() == FORBIDDEN, completed.stderr


def _children() -> set[str]:
    """Returns the pids of this process's children (proc(5))."""
    return {
        child
        for listed in Path("/proc/self/task").glob("*/children")
        for child in listed.read_text().split()
    }
