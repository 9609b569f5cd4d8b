"""Tables on phones and tablets: words stay whole beside long names of files, and names readable."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.actions import horizontal_overflow
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_BROKEN = """() => {
  const broken = [];
  for (const cell of document.querySelectorAll("td:not(:has(details))")) {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
      for (const { 0: word, index } of walker.currentNode.data.matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(walker.currentNode, index);
        range.setEnd(walker.currentNode, index + word.length);
        if (range.getClientRects().length > 1) broken.push(word);
      }
  }
  return broken;
}"""
"""Words of verdicts, numbers, times and buttons that lie on several lines."""


@pytest.mark.parametrize("language", ["en", "de"])
async def test_no_word_of_a_verdict_is_broken(
    open_page: OpenPage, media: Path, tmp_path: Path, language: str
) -> None:
    long_name = tmp_path / f"{'x' * 180}.jpg"
    shutil.copy(media / "astronaut.jpg", long_name)
    page = await open_page("#/about", width=360, height=740)
    await page.locator("#language").select_option(language)
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await page.goto(page.url.replace("about", "batch"))
    files = [long_name, media / "swapped.jpg", media / "unsure.jpg", media / "coffee.jpg"]
    await page.set_input_files("input[type=file]", files)
    await expect(page.locator("td .badge")).to_have_count(len(files))
    assert await page.evaluate(_BROKEN) == []
    assert await horizontal_overflow(page) == 0
    await page.locator("#tab-history").click()
    await expect(page.get_by_role("link", name="coffee.jpg")).to_be_visible()
    assert await page.evaluate(_BROKEN) == []
    assert await horizontal_overflow(page) == 0


@pytest.mark.parametrize(("width", "language"), [(690, "de"), (720, "de"), (900, "en")])
async def test_names_have_space_on_tablets_and_zoomed_pages(
    open_page: OpenPage, media: Path, width: int, language: str
) -> None:
    page = await open_page(width=width, height=700)
    await page.locator("#language").select_option(language)
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await page.locator("#tab-history").click()
    name = page.get_by_role("link", name="astronaut.jpg")
    await expect(name).to_be_visible()
    assert await name.evaluate("link => link.getClientRects().length") == 1
    row = page.get_by_role("row").filter(has=name)  # other tests may have left jobs
    box, badge = await name.bounding_box(), await row.locator(".badge").bounding_box()
    assert box is not None
    assert badge is not None
    assert box["x"] + box["width"] <= badge["x"]
    assert await page.evaluate(_BROKEN) == []
    assert await horizontal_overflow(page) == 0


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_panel_fits_into_320_pixels(open_page: OpenPage, language: str) -> None:
    """A page of 1280 pixels that is enlarged to 400 % has this width (WCAG 2.2, 1.4.10)."""
    page = await open_page("#/about", width=320)
    await page.locator("#language").select_option(language)
    await expect(page.locator("html")).to_have_attribute("lang", language)
    wide = {}
    for panel in ("image", "batch", "video", "live", "history", "about"):
        await page.evaluate("panel => { location.hash = `#/${panel}` }", panel)
        await expect(page.locator("#panel h1")).to_be_visible()
        wide[panel] = await horizontal_overflow(page)
    assert not any(wide.values()), wide


@pytest.mark.parametrize("language", ["en", "de"])
async def test_the_header_fits_at_every_width(open_page: OpenPage, language: str) -> None:
    page = await open_page("#/about")
    await page.locator("#language").select_option(language)
    await expect(page.locator("html")).to_have_attribute("lang", language)
    wide = []
    for width in range(320, 900, 20):
        await page.set_viewport_size({"width": width, "height": 700})
        if await horizontal_overflow(page):
            wide.append(width)
    assert wide == []
