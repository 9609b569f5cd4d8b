"""Firefox and WebKitGTK by WebDriver, each with a camera that needs no device."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

from tests.support.paths import ROOT

BROWSERS = ("firefox", "webkit")
_MINI_BROWSER = "webkit2gtk-4.1/MiniBrowser"


@contextmanager
def launched(name: str, downloads: Path) -> Iterator[WebDriver]:
    """Starts a browser without a window; skips the test, or fails it with REQUIRE_FIREFOX=1 or
    REQUIRE_WEBKIT=1, where it is not installed."""
    start = {"firefox": _firefox, "webkit": _webkit}[name]
    with start(downloads) as driver:
        driver.set_window_size(1280, 900)
        driver.set_script_timeout(120)
        yield driver


def _installed(browser: str, *names: str) -> Path:
    """Returns the first program of these names that is in PATH or build/bin."""
    path = os.pathsep.join((os.environ.get("PATH", ""), str(ROOT / "build" / "bin")))
    for name in names:
        if found := shutil.which(name, path=path):
            return Path(found)
    missing = f"{' or '.join(names)} is not installed"
    if os.environ.get(f"REQUIRE_{browser.upper()}") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def _firefox(downloads: Path) -> Iterator[WebDriver]:
    options = webdriver.FirefoxOptions()
    options.binary_location = str(_installed("firefox", "firefox-esr", "firefox"))
    options.add_argument("--headless")
    for preference, value in {
        "browser.download.dir": str(downloads),
        "browser.download.folderList": 2,
        "media.navigator.permission.disabled": True,
        "media.navigator.streams.fake": True,
    }.items():
        options.set_preference(preference, value)
    driver = webdriver.Firefox(
        options, webdriver.FirefoxService(str(_installed("firefox", "geckodriver")))
    )
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def _webkit(downloads: Path) -> Iterator[WebDriver]:
    """MiniBrowser needs a display, which Xvfb is. Its downloads can't be directed to a folder."""
    program = _installed("webkit", "WebKitWebDriver")
    options = webdriver.WebKitGTKOptions()
    (options.binary_location,) = map(str, Path("/usr/lib").glob(f"*/{_MINI_BROWSER}"))
    for argument in (
        "--automation",
        "--enable-media-stream=true",
        "--enable-mock-capture-devices=true",
    ):
        options.add_argument(argument)
    with _display() as display:
        env = os.environ | {"DISPLAY": display, "WEBKIT_DISABLE_DMABUF_RENDERER": "1"}
        with warnings.catch_warnings(
            action="ignore", category=DeprecationWarning
        ):  # Selenium's own
            driver = webdriver.WebKitGTK(options, webdriver.WebKitGTKService(str(program), env=env))
        try:
            yield driver
        finally:
            driver.quit()


@contextmanager
def _display() -> Iterator[str]:
    """Starts an X server without a screen on a free number; yields its name."""
    reader, writer = os.pipe()
    command = [
        _installed("webkit", "Xvfb"),
        "-displayfd",
        str(writer),
        "-screen",
        "0",
        "1400x1000x24",
    ]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        try:
            with os.fdopen(reader) as number:
                name = number.readline().strip()
            yield f":{name}"
        finally:
            server.terminate()
