"""Uploads: progress, speed, cancelling, queueing, and a warning before the page is left."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Dialog, Page, Route, expect

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _hold(page: Page, pattern: str | re.Pattern[str]) -> list[Route]:
    """Holds the requests of a pattern; they stay unanswered until the test continues them."""
    held: list[Route] = []

    async def keep(route: Route) -> None:
        held.append(route)

    await page.route(pattern, keep)
    return held


async def test_an_image_upload_shows_progress_and_can_be_cancelled(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await _hold(page, "**/v1/images")
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    card = page.locator(".progress-card")
    await expect(card).to_contain_text("astronaut.jpg")
    await expect(card.get_by_role("progressbar")).to_be_visible()
    await card.get_by_role("button", name="Stop").click()
    await expect(page.locator(".notice")).to_have_text("The upload was stopped.")


async def test_a_slow_upload_shows_speed_and_time_left(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.mp4"
    slow.write_bytes((media / "shots.mp4").read_bytes() + bytes(2**20))
    page = await open_page("#/video")
    session = await page.context.new_cdp_session(page)
    await session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": 200_000,
        },
    )
    await page.set_input_files("input[type=file]", slow)
    figures = page.locator(".progress-card .fine-print")
    await expect(figures).to_contain_text(re.compile(r"KB per second · about \d+ seconds? left"))


async def _warnings(page: Page) -> list[str]:
    """Returns the kinds of dialogs from now on, which stay on the page."""
    seen: list[str] = []

    async def dismiss(dialog: Dialog) -> None:
        seen.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", dismiss)
    return seen


@pytest.mark.parametrize(
    ("panel", "name"),
    [("", "astronaut.jpg"), ("#/batch", "astronaut.jpg"), ("#/video", "shots.mp4")],
)
async def test_leaving_during_an_upload_warns(
    open_page: OpenPage, media: Path, panel: str, name: str
) -> None:
    page = await open_page(panel)
    warnings = await _warnings(page)
    held = await _hold(page, re.compile(r"/v1/(images|videos)"))
    await page.locator("h1").click()  # browsers warn only after the user did something
    async with page.expect_request(re.compile(r"/v1/(images|videos)")):
        await page.set_input_files("input[type=file]", media / name)
    async with page.expect_event("dialog"):
        await page.evaluate("setTimeout(() => location.reload())")
    assert warnings == ["beforeunload"]
    assert len(held) == 1


async def test_a_page_that_sends_nothing_is_left_without_a_warning(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    warnings = await _warnings(page)
    await page.locator("h1").click()
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await page.reload()
    assert warnings == []


async def test_several_videos_queue_and_link_to_their_analyses(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    names = ["one.mp4", "two.mp4", "three.mp4"]
    for name in names:
        shutil.copy(media / "shots.mp4", tmp_path / name)
    page = await open_page("#/video")
    released = asyncio.Event()

    async def wait(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await page.route("**/v1/videos*", wait)
    await page.set_input_files("input[type=file]", [tmp_path / name for name in names])
    await expect(page.locator(".progress-card")).to_have_count(1)
    await expect(page.locator(".upload").nth(2)).to_contain_text("three.mp4 waits")
    await page.locator(".upload").nth(1).get_by_role("button", name="Stop").click()
    released.set()
    await expect(page.get_by_role("link", name="Open the analysis of one.mp4")).to_be_visible()
    await expect(page.get_by_role("link", name="Open the analysis of three.mp4")).to_be_visible()
    await expect(page.locator(".upload").nth(1)).to_contain_text("two.mp4 was stopped")
    await page.get_by_role("link", name="Open the analysis of three.mp4").click()
    await expect(page.locator(".job-heading .name")).to_have_text("three.mp4")
