"""Files find their panel wherever they are chosen, and what can't be taken is said at once."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, Route, expect

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  document.body.dispatchEvent(
    new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


async def _choose(page: Page, media: Path, *names: str) -> None:
    await page.set_input_files("input[type=file]", [media / name for name in names])


async def _limit(page: Page, **limits: int) -> list[str]:
    """Lowers limits of /v1/info in transit and reloads; returns the URLs of later uploads."""

    async def respond(route: Route) -> None:
        document = await (await route.fetch()).json()
        await route.fulfill(json=document | {"limits": document["limits"] | limits})

    uploads: list[str] = []
    page.on("request", lambda r: uploads.append(r.url) if r.method == "POST" else None)
    await page.route("**/v1/info", respond)
    await page.reload()
    return uploads


async def test_a_video_on_the_image_panel_is_submitted_as_a_video(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await _choose(page, media, "shots.mp4")
    await page.wait_for_url("**/#/jobs/*")


async def test_an_image_on_the_video_panel_is_analysed_as_an_image(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await _choose(page, media, "astronaut.jpg")
    await expect(page.locator("h1")).to_have_text("Image")
    await expect(page.locator(".finding")).to_be_visible()
    await expect(page.get_by_role("tab", name="Image")).to_have_attribute("aria-selected", "true")


async def test_several_images_on_the_image_panel_become_a_batch(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await _choose(page, media, "astronaut.jpg", "coffee.jpg")
    await expect(page.locator("h1")).to_have_text("Batch")
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()


@pytest.mark.parametrize("panel", ["#/live", "#/history", "#/about"])
async def test_a_file_dropped_on_any_page_is_analysed(
    open_page: OpenPage, media: Path, panel: str
) -> None:
    page = await open_page(panel)
    data = base64.b64encode((media / "astronaut.jpg").read_bytes()).decode()
    await page.evaluate(_DROP, ["astronaut.jpg", "image/jpeg", data])
    await expect(page.locator(".finding")).to_be_visible()
    await expect(page.locator("figcaption")).to_contain_text("astronaut.jpg")


async def test_a_folder_becomes_a_batch(open_page: OpenPage, media: Path, tmp_path: Path) -> None:
    for name in ("astronaut.jpg", "coffee.jpg"):
        (tmp_path / name).write_bytes((media / name).read_bytes())
    page = await open_page("#/batch")
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Choose a folder").click()
    await (await chooser.value).set_files(tmp_path)
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()


@pytest.mark.parametrize(
    ("panel", "name", "limits", "expected"),
    [
        ("", "astronaut.jpg", {"max_image_bytes": 2048}, "images of up to 2.0\u00a0KB"),
        ("#/video", "shots.mp4", {"max_video_bytes": 2048}, "videos of up to 2.0\u00a0KB"),
        ("", "shots.mp4", {"max_video_bytes": 2048}, "videos of up to 2.0\u00a0KB"),
    ],
)
async def test_a_file_over_the_limit_is_named_and_not_sent(
    open_page: OpenPage, media: Path, panel: str, name: str, limits: Any, expected: str
) -> None:
    page = await open_page(panel)
    uploads = await _limit(page, **limits)
    await _choose(page, media, name)
    problem = page.get_by_role("alert")
    await expect(problem.locator("h2")).to_contain_text("is too large")
    await expect(problem).to_contain_text(name)
    await expect(problem).to_contain_text(expected)
    assert uploads == []


async def test_a_batch_sends_the_files_within_the_limit_only(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/batch")
    small = (media / "astronaut.jpg").stat().st_size
    uploads = await _limit(page, max_image_bytes=small)
    await _choose(page, media, "astronaut.jpg", "group.jpg")
    sizes = {n: (media / n).stat().st_size for n in ("astronaut.jpg", "group.jpg")}
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()
    assert len(uploads) == sum(size <= small for size in sizes.values())


@pytest.mark.parametrize(
    ("name", "data", "title"),
    [("nothing.jpg", b"", "This file is empty"), ("all.zip", b"PK", "Archives aren't opened")],
)
async def test_empty_files_and_archives_are_refused_before_they_are_sent(
    open_page: OpenPage, name: str, data: bytes, title: str
) -> None:
    page = await open_page()
    uploads = await _limit(page)
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=data)
    await page.set_input_files("input[type=file]", file)
    await expect(page.locator(".problem h2")).to_have_text(title)
    await expect(page.locator(".problem .detail")).to_contain_text(name)
    assert uploads == []


async def test_the_limit_is_shown_where_files_are_chosen(open_page: OpenPage) -> None:
    page = await open_page()
    await expect(page.locator(".drop-zone")).to_contain_text("An image may have up to 32\u00a0MB.")
