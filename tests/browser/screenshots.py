"""Takes the screenshots of docs/console.md: `python -m tests.browser.screenshots [folder]`.

They show a real stack: that of CONSOLE_URL, or one that is started here with the built archives.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from deepfake_serving.runtime.version import NAME
from tests.browser.conftest import find_chromium, launch_arguments
from tests.browser.media import make_media
from tests.support.paths import ROOT
from tests.support.running import GUARD_S, RunningGateway, RunningServer

DOCS = ROOT / "docs" / "images"
ARCHIVES = ROOT / "build" / "archives"
BATCH = ("astronaut.jpg", "group.jpg", "coffee.jpg", "notes.txt")


async def main(folder: Path) -> None:
    """Takes all screenshots."""
    async with AsyncExitStack() as stack:
        media = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_media(media)
        url = os.environ.get("CONSOLE_URL", "").rstrip("/") or _start_stack(stack)
        refuse_stub(url)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=launch_arguments(media / "camera.y4m")
        )
        await _take_all(browser, url, media, folder)
        await browser.close()


def _start_stack(stack: AsyncExitStack) -> str:
    """Starts a model server and a gateway until the context ends, and returns the gateway's URL."""
    server = stack.enter_context(RunningServer.start(ARCHIVES, models="detector"))
    state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(RunningGateway.start(state, server.url)).url


def refuse_stub(url: str) -> None:
    """Ends the program where the service is not the gateway: scores would be made up."""
    name = httpx.get(f"{url}/v1/info", timeout=GUARD_S).json().get("name")
    if name != NAME:
        sys.exit(f"{url} is a stub ({name}): screenshots show a real stack")


async def _take_all(browser: Browser, url: str, media: Path, folder: Path) -> None:
    wide = await _page(browser, url)
    await image(wide, media)
    await save(wide, folder / "console-image.png")
    await wide.goto(f"{url}/#/batch")
    await wide.set_input_files("input[type=file]", [media / name for name in BATCH])
    await wide.get_by_text(f"{len(BATCH)} of {len(BATCH)} finished").wait_for()
    await save(wide, folder / "console-batch.png")
    await video(wide, url, media)
    await save(wide, folder / "console-video.png")
    await image_job(wide, url, "astronaut.jpg", (media / "astronaut.jpg").read_bytes())
    await wide.goto(f"{url}/#/history")
    await wide.get_by_role("link", name="shots.mp4").wait_for()
    await wide.get_by_label("Stored by the service").locator("canvas").wait_for()
    await save(wide, folder / "console-history.png")

    dark = await _page(browser, url, dark=True)
    await video(dark, url, media)
    await save(dark, folder / "console-video-dark.png")
    await dark.goto(f"{url}/#/live")
    await dark.get_by_role("button", name="Start the camera").click()
    await dark.locator(".score-trace circle").nth(40).wait_for()
    await save(dark, folder / "console-live-dark.png", whole=False)

    phone = await _page(browser, url, width=360, height=760)
    await image(phone, media)
    await save(phone, folder / "console-image-phone.png")
    await video(phone, url, media)
    await save(phone, folder / "console-video-phone.png")


async def _page(
    browser: Browser, url: str, *, width: int = 1080, height: int = 760, dark: bool = False
) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        permissions=["camera"],
    )
    await context.add_init_script("localStorage.setItem('deepfake-tour', 'ended')")
    page = await context.new_page()
    await page.goto(url)
    return page


async def image(page: Page, media: Path) -> None:
    await page.set_input_files("input[type=file]", media / "group.jpg")
    await page.locator(".finding").wait_for()


async def image_job(page: Page, url: str, name: str, data: bytes) -> None:
    """Submits an image as a job, and waits until it has ended."""
    headers = {"Prefer": "respond-async", "X-Filename": name}
    response = await page.request.post(f"{url}/v1/images", data=data, headers=headers)
    job = await response.json()
    await page.request.get(url + job["links"]["events"])


async def video(page: Page, url: str, media: Path) -> None:
    await page.goto(f"{url}/#/video")
    await page.set_input_files("input[type=file]", media / "shots.mp4")
    await page.locator(".finding").wait_for(timeout=120_000)
    chart = page.get_by_role("slider", name="Score over time")
    await chart.focus()
    for _ in range(16):
        await chart.press("ArrowRight")
    await page.locator(".box").first.wait_for()
    await page.wait_for_function("() => document.querySelector('video').readyState >= 3")
    await page.wait_for_timeout(1500)  # Chromium's own spinner fades without an event
    await page.evaluate("scrollTo(0, 0)")
    await page.evaluate("document.activeElement.blur()")


async def save(page: Page, path: Path, *, whole: bool = True) -> None:
    _shrink(await page.screenshot(full_page=whole, animations="disabled"), path)


def _shrink(png: bytes, path: Path) -> None:
    """Reduces a screenshot to a palette, to keep the docs small: the page's colours first."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    flat = colours[np.argsort(-counts)[:130]].ravel().tolist()
    photo_colours = image.quantize(48, dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(flat + photo_colours)
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS))
