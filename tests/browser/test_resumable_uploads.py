"""Large videos: their upload resumes after the network was lost, and after a reload of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import CDPSession, Page, Request, expect

from tests.browser.conftest import OpenPage
from tests.browser.stub_uploads import CUT_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SHARE = re.compile(r"Uploading large\.mp4: [1-9]0\s?% of")


def _write_large(media: Path, path: Path) -> Path:
    path.write_bytes((media / "shots.mp4").read_bytes() + bytes(12 * 2**20))
    return path


@pytest.fixture
def large(media: Path, tmp_path: Path) -> Path:
    return _write_large(media, tmp_path / "large.mp4")


@pytest.fixture
def cut(media: Path, tmp_path: Path) -> Path:
    """A file whose upload the stub cuts off again and again."""
    return _write_large(media, tmp_path / "cut.mp4")


async def _limit_network(session: CDPSession, rate: int = -1) -> None:
    """Sets the bytes per second of uploads; -1 is no limit."""
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    await session.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": rate})


def _watch_offsets(page: Page) -> list[int]:
    """Returns the offsets at which requests from now on send bytes."""
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return offsets


async def _begin(page: Page, large: Path) -> tuple[CDPSession, list[int]]:
    """Sends a part of the file, and returns the session and the offsets of all requests."""
    offsets = _watch_offsets(page)
    session = await page.context.new_cdp_session(page)
    await _limit_network(session, 2_000_000)
    await page.set_input_files("input[type=file]", large)
    await expect(page.get_by_role("status").filter(has_text=_SHARE)).to_be_visible()
    return session, offsets


async def test_an_upload_resumes_when_the_network_is_back(open_page: OpenPage, cut: Path) -> None:
    """Chromium's offline mode still sends what is in its buffers, so the stub cuts connections."""
    page = await open_page("#/video")
    offsets = _watch_offsets(page)
    await page.set_input_files("input[type=file]", cut)
    waiting = page.get_by_text("The upload resumes by itself")
    await expect(waiting).to_be_visible()
    await page.context.set_offline(True)
    async with page.expect_event("requestfailed"):
        assert await page.get_by_role("progressbar").evaluate("bar => bar.value") > 0.2
    await expect(waiting).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.locator(".job-heading .name")).to_have_text("cut.mp4")
    assert len(offsets) >= 3
    assert sorted(set(offsets)) == offsets
    assert offsets[0] == 0 < CUT_BYTES <= offsets[1]


async def test_an_upload_resumes_after_a_reload_with_the_same_file(
    open_page: OpenPage, large: Path
) -> None:
    page = await open_page("#/video")
    page.on("dialog", lambda dialog: dialog.accept())
    session, offsets = await _begin(page, large)
    await page.reload()
    await _limit_network(session)
    await page.set_input_files("input[type=file]", large)
    await expect(page.locator(".job-heading .name")).to_have_text("large.mp4")
    assert offsets[0] == 0, offsets
    assert 0 < offsets[-1] < 12 * 2**20, offsets
    assert await page.evaluate("Object.keys(localStorage).join()") == ""


async def test_an_upload_that_has_expired_begins_again(open_page: OpenPage, large: Path) -> None:
    page = await open_page("#/video")
    session, _ = await _begin(page, large)
    page.on("dialog", lambda dialog: dialog.accept())
    forget = "Object.keys(localStorage).forEach(key => localStorage.setItem(key, 'expired'))"
    await page.evaluate(forget)
    await page.reload()
    await _limit_network(session)
    await page.set_input_files("input[type=file]", large)
    await expect(page.locator(".job-heading .name")).to_have_text("large.mp4")
