"""axe finds nothing in any state of the panels, in light and in dark colours, and nothing jumps."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import assert_accessible, assert_stable
from tests.browser.actions import analyse_image, analyse_video, problem_response
from tests.browser.conftest import OpenPage

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"]),
]


async def check(page: Page) -> None:
    await assert_accessible(page)
    await assert_stable(page)


@pytest.mark.parametrize("panel", ["image", "batch", "video", "live", "history", "about"])
async def test_empty_panels(open_page: OpenPage, dark: bool, panel: str) -> None:
    page = await open_page(f"#/{panel}", dark=dark)
    await expect(page.locator("#service")).to_contain_text("0.1.0")
    await check(page)


async def test_feedback(open_page: OpenPage, media: Path, dark: bool) -> None:
    page = await open_page(dark=dark)
    await analyse_image(page, media / "astronaut.jpg")
    await page.get_by_role("button", name="This is wrong: astronaut.jpg").click()
    dialog = page.get_by_role("dialog")
    await check(page)
    refusal = problem_response("not-found", "Not found", 404, "no image response has the id")
    await page.route("**/v1/feedback", refusal)
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("no longer has this analysis")
    await check(page)
    await page.unroute("**/v1/feedback")
    await dialog.get_by_role("button", name="Send").click()
    await expect(page.locator(".given")).to_contain_text("You labelled this as fake.")
    await check(page)


async def test_keys(open_page: OpenPage, dark: bool) -> None:
    page = await open_page("#/keys", dark=dark)
    await expect(page.locator(".key-card")).to_have_count(3)
    await check(page)
    refusal = problem_response("forbidden", "Forbidden", 403, "the API key lacks the scope 'admin'")
    await page.route("**/v1/keys", refusal)
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await check(page)
    await page.unroute("**/v1/keys")
    none = {"required": False, "keys": []}
    await page.route("**/v1/keys", lambda route: route.fulfill(json=none))
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.get_by_text("This service needs no API keys")).to_be_visible()
    await check(page)


async def test_members_and_evidence(open_page: OpenPage, media: Path, dark: bool) -> None:
    page = await open_page(dark=dark)
    await page.get_by_label("Model").select_option("ensemble")
    await analyse_file(page, media / "group.jpg")
    await expect(page.locator(".member-bar").first).to_be_visible()
    await check(page)
    await page.get_by_role("button", name="Show heatmaps and the file's origin").click()
    await expect(page.locator(".provenance")).to_be_visible()
    await assert_accessible(page)


async def analyse_file(page: Page, file: Path) -> None:
    await page.set_input_files("input[type=file]", file)
    await expect(page.locator(".finding")).to_be_visible()


async def test_history_and_jobs(open_page: OpenPage, media: Path, dark: bool) -> None:
    page = await open_page("#/video", dark=dark)
    await analyse_video(page, media / "shots.mp4")
    await expect(page.locator(".report-sheet dt").first).to_be_attached()
    await assert_accessible(page)
    await page.reload()
    await expect(page.locator(".finding")).to_be_visible()
    await check(page)
    await page.goto(page.url.split("#")[0] + "#/history")
    await expect(page.locator("tbody tr").first).to_be_visible()
    await check(page)
    await page.locator("tbody button").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await check(page)
    await page.keyboard.press("Escape")
    await page.get_by_label("Search").fill("no such name anywhere")
    await expect(page.get_by_text("No analyses match.")).to_be_visible()
    await check(page)


async def test_live(open_page: OpenPage, dark: bool) -> None:
    page = await open_page("#/live", dark=dark)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".face-overlay .box")).to_have_count(1)
    await assert_accessible(page)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".live-now")).to_have_text("Stopped.")
    await assert_accessible(page)


async def test_the_printed_report(open_page: OpenPage, media: Path, dark: bool) -> None:
    page = await open_page(dark=dark)
    await analyse_image(page, media / "group.jpg")
    await expect(page.locator(".report-sheet dt").first).to_be_attached()
    await page.emulate_media(media="print")
    await expect(page.locator(".report-sheet")).to_be_visible()
    await assert_accessible(page)
