"""Fixtures: each browser, media, and the console of the stub gateway."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.media import make_media
from tests.browser.stub_gateway import stub_gateway
from tests.browsers.drivers import BROWSERS, launched
from tests.browsers.page import ConsolePage


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_media(folder)
    return folder


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session", params=BROWSERS)
def driver(request: pytest.FixtureRequest, downloads: Path) -> Iterator[WebDriver]:
    with launched(request.param, downloads) as driver:
        yield driver


@pytest.fixture(scope="session")
def console(media: Path) -> Iterator[str]:
    """Serves the console in a thread, as WebDriver's calls block; yields its URL."""
    loop, served = asyncio.new_event_loop(), stub_gateway(media)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(60)
    asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def page(driver: WebDriver, console: str) -> Iterator[ConsolePage]:
    """The console as on a first visit. The browser must report no script error."""
    page = ConsolePage(driver, console)
    yield page
    assert page.errors() == []
