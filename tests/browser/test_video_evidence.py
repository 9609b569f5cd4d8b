"""Heatmaps of a video's faces, and the same person across its shots, on the page and on paper."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.accessibility import assert_accessible
from tests.browser.actions import analyse_video
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def film(media: Path, tmp_path: Path) -> Path:
    """A video whose first faces in each shot the stub takes for one person."""
    return Path(shutil.copy(media / "shots.mp4", tmp_path / "people.mp4"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_faces_have_heatmaps_and_persons_are_grouped(
    open_page: OpenPage, film: Path, dark: bool
) -> None:
    page = await open_page("#/video", dark=dark)
    await page.get_by_label("Heatmaps of the faces").check()
    job = await analyse_video(page, film)
    assert job["options"]["explain"] == "true"
    overlays = page.locator(".heatmaps .heat-overlay")
    await expect(overlays).to_have_count(2)
    decode = "async i => { await i.decode(); return i.naturalWidth }"
    assert await overlays.first.evaluate(decode) == 224
    await page.get_by_label("Opacity of the maps").fill("40")
    await expect(overlays.first).to_have_css("opacity", "0.4")
    people = page.get_by_role("region", name="The same person")
    await expect(people.get_by_role("heading", name="Person 1: 2 faces")).to_be_visible()
    await expect(people.get_by_role("button")).to_have_count(2)
    await assert_accessible(page)
    await people.get_by_role("button", name="Shot 1, face 1").click()
    await expect(page.get_by_role("heading", name="Faces of shot 1")).to_be_visible()
    await expect(overlays).to_have_count(1)
    await page.emulate_media(media="print")
    for part in (overlays.first, page.locator(".heat-legend"), people.get_by_role("button").first):
        await expect(part).to_be_visible()
    await expect(page.locator(".heat-opacity")).to_be_hidden()


async def test_a_video_without_them_shows_neither(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    await analyse_video(page, media / "shots.mp4")
    await expect(page.locator(".track-card").first).to_be_visible()
    await expect(page.locator(".heatmaps, .people")).to_have_count(0)
