"""Fixtures: a real Chromium, media, and the console of CONSOLE_URL or of the stub gateway.

Without Chromium these tests skip; with REQUIRE_CHROMIUM=1 they fail. Its headless shell, the same
engine without a window, needs less CPU time and is preferred.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

from tests.browser.media import make_media
from tests.browser.stub_gateway import stub_gateway
from tests.support.running import GUARD_S

CHROMIUM = ("chromium-headless-shell", "chromium", "google-chrome")
SHARED: dict[str, Any] = {"scope": "session", "loop_scope": "session"}

GUARD_MS = GUARD_S * 1000
"""Timeout of actions and expected states, long enough for a busy machine."""

OpenPage = Callable[..., Awaitable[Page]]

expect.set_options(timeout=GUARD_MS)


def find_chromium() -> Path | None:
    """Returns the path of the first of `CHROMIUM` that is installed."""
    return next((Path(path) for name in CHROMIUM if (path := shutil.which(name))), None)


def launch_arguments(camera: Path) -> list[str]:
    """Returns Chromium's flags: no sandbox for root, a camera that plays a file, no prompt."""
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
    found = find_chromium()
    if found is None:
        missing = f"neither {' nor '.join(CHROMIUM)} is installed"
        if os.environ.get("REQUIRE_CHROMIUM") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


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
    """Yields the base URL of the console under test."""
    if url := os.environ.get("CONSOLE_URL"):
        yield url.rstrip("/")
        return
    async with stub_gateway(media) as url:
        yield url


class BrowserErrors:
    """Errors that the browser reported: script errors and policy violations.

    Chromium also reports error responses; tests of failures expect those.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("console", self._record)

    def _record(self, message: ConsoleMessage) -> None:
        expected = ("Failed to load resource", "WebSocket connection to")
        if message.type in ("error", "warning") and not message.text.startswith(expected):
            self.messages.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, console: str) -> AsyncIterator[OpenPage]:
    """Opens a page of the console: `await open_page("#/batch", width=360, dark=True)`.

    The browser must report no error in any test.
    """
    browser_errors = BrowserErrors()
    contexts: list[BrowserContext] = []

    async def new_page(
        path: str = "", *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> Page:
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            permissions=["camera", "clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(GUARD_MS)
        page = await context.new_page()
        browser_errors.listen(page)
        await page.goto(f"{console}/{path}")
        return page

    yield new_page
    for context in contexts:
        await context.close()
    assert browser_errors.messages == []
