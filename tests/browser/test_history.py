"""The History panel: filters, links and deletion of past videos."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.actions import analyse_video, open_panel
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_history_entries_can_be_filtered_opened_and_deleted(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    name = f"for-history-{tmp_path.name}.mp4"
    shutil.copy(media / "shots.mp4", tmp_path / name)
    page = await open_page("#/video")
    await analyse_video(page, tmp_path / name)
    await open_panel(page, "History")
    await page.get_by_label("Search").fill("no such name anywhere")
    await expect(page.get_by_text("No analyses match.")).to_be_visible()
    await page.get_by_label("Search").fill(name)
    link = page.get_by_role("link", name=name)
    await expect(link).to_have_count(1)
    await page.get_by_label("State").select_option("failed")
    await expect(link).to_have_count(0)
    await page.get_by_label("State").select_option("succeeded")
    await link.click()
    await expect(page.locator(".finding")).to_be_visible()
    assert await page.title() == f"{name} · Deepfake console"
    await page.go_back()
    await expect(page.get_by_label("Search")).to_have_value(name)
    await expect(page.get_by_label("State")).to_have_value("succeeded")
    await expect(link).to_have_count(1)
    await page.get_by_label("State").select_option("")
    await page.get_by_role("button", name=f"Delete {name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(link).to_have_count(1)
    await page.get_by_role("button", name=f"Delete {name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(link).to_have_count(0)
