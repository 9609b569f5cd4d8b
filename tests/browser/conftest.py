"""A real Chromium, media, and the console: of the stack at CONSOLE_URL, else of the stand-in.

Without /usr/bin/chromium these tests skip; with REQUIRE_CHROMIUM=1 they fail.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.browser.media import make_media
from tests.browser.standin import standin

CHROMIUM = Path("/usr/bin/chromium")
SHARED: dict[str, Any] = {"scope": "session", "loop_scope": "session"}

Opener = Callable[..., Awaitable[Page]]


def launch_arguments(camera: Path) -> list[str]:
    """Chromium's flags: no sandbox for root, a camera that plays a file and needs no consent."""
    return [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_media(folder)
    return folder


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    if not CHROMIUM.exists() and os.environ.get("REQUIRE_CHROMIUM") != "1":
        pytest.skip(f"{CHROMIUM} is not there")
    return CHROMIUM


@pytest_asyncio.fixture(**SHARED)
async def browser(media: Path, chromium_path: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=chromium_path, args=launch_arguments(media / "camera.y4m")
        )
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(**SHARED)
async def console(media: Path) -> AsyncIterator[str]:
    """The base URL of what is tested."""
    if url := os.environ.get("CONSOLE_URL"):
        yield url.rstrip("/")
        return
    async with standin(media) as url:
        yield url


class Complaints:
    """What the browser complained of: errors in scripts, breaches of the policy.

    That an answer was no good one is told by Chromium too; tests of failures expect that.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.heard.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        expected = ("Failed to load resource", "WebSocket connection to")
        if message.type in ("error", "warning") and not message.text.startswith(expected):
            self.heard.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def opened(browser: Browser, console: str) -> AsyncIterator[Opener]:
    """Opens a page of the console: `await opened("#/batch", width=360, dark=True)`.

    Whatever the test does, the browser may complain of nothing.
    """
    complaints = Complaints()
    contexts: list[BrowserContext] = []

    async def open_page(
        path: str = "", *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> Page:
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            permissions=["camera", "clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = await context.new_page()
        complaints.listen(page)
        await page.goto(f"{console}/{path}")
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert complaints.heard == []
