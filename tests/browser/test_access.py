"""Dialogs, announcements and zoom; colours that the system chooses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.actions import analyse_image, analyse_video, open_panel, problem_response
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_wrong_key_is_named_and_the_dialog_stays(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    refuse = problem_response("unauthorized", "Unauthorized", 401, "the key is unknown")

    async def check(route: Route) -> None:
        if await route.request.header_value("Authorization") == "Bearer right":
            await route.continue_()
        else:
            await refuse(route)

    await page.route("**/v1/**", check)
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    dialog = page.get_by_role("dialog")
    await dialog.evaluate("e => { e.dataset.first = 'yes' }")
    await dialog.get_by_label("API key").fill("mistyped")
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog.get_by_role("alert")).to_have_text(
        "That key wasn't accepted. Check it, or contact the operator of the service."
    )
    await expect(dialog).to_have_attribute("data-first", "yes")
    await expect(dialog.get_by_label("API key")).to_be_focused()
    await dialog.get_by_label("API key").fill("right")
    await page.keyboard.press("Enter")
    await expect(page.locator(".finding")).to_be_visible()


async def test_a_dialog_that_deletes_focuses_cancel(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    name = f"kept-{tmp_path.name}.mp4"
    shutil.copy(media / "shots.mp4", tmp_path / name)
    page = await open_page("#/video")
    await analyse_video(page, tmp_path / name)
    await open_panel(page, "History")
    await page.get_by_role("button", name=f"Delete {name}").click()
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("link", name=name)).to_have_count(1)


async def test_a_running_job_shows_a_lost_service_once(open_page: OpenPage) -> None:
    """The job's responses are stubbed: it runs, then the service is gone."""
    page = await open_page("#/video")
    running = {
        "id": "x", "kind": "video", "state": "running", "attempt": 1, "cached": False,
        "created_at": "2026-11-23T01:04:03.596+00:00", "finished_at": None, "problem": None,
        "source": {"name": "x.mp4", "url": None, "bytes": 1}, "options": {}, "summary": None,
        "progress": {"stage": "analyse", "frames": 1, "percent": 1.0, "eta_s": None},
        "result": None,
    }  # fmt: skip
    polls: list[str] = []

    async def respond(route: Route) -> None:
        polls.append(route.request.url)
        if len(polls) == 1:
            await route.fulfill(json=running)
        else:
            await route.abort()

    await page.route("**/v1/jobs/x*", respond)
    await page.route("**/v1/jobs/x/events", lambda route: route.abort())
    await page.goto(page.url.replace("#/video", "#/jobs/x"))
    problem = page.locator(".progress-card .problem")
    await expect(problem).to_be_visible()
    await problem.evaluate("e => { e.dataset.first = 'yes' }")
    seen = len(polls)
    while len(polls) < seen + 2:
        await page.wait_for_timeout(200)
    await expect(problem).to_have_attribute("data-first", "yes")


async def test_the_skip_link_keeps_the_address(open_page: OpenPage) -> None:
    page = await open_page("#/history")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel")).to_be_focused()
    assert page.url.endswith("#/history")


async def test_notices_do_not_touch_the_result(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    changed = job | {"result": job["result"] | {"warnings": ["a warning"]}}
    await page.route("**/v1/jobs/*", lambda route: route.fulfill(json=changed))
    await page.reload()
    notice = await page.locator(".notices").bounding_box()
    result = await page.locator(".result").bounding_box()
    assert notice is not None
    assert result is not None
    assert result["y"] - (notice["y"] + notice["height"]) >= 12


async def test_a_tap_on_a_thumbnail_does_not_cover_the_page(
    browser: Browser, console: str, media: Path
) -> None:
    context = await browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = await context.new_page()
    await page.goto(console + "/#/video")
    await analyse_video(page, media / "shots.mp4")
    button = page.locator(".frame-button").first
    await button.scroll_into_view_if_needed()
    await page.wait_for_function(
        "() => document.querySelector('.frame-button img').naturalWidth > 0"
    )
    await button.tap()
    await expect(page.locator(".zoomed")).to_have_count(0)
    await context.close()


async def test_the_zoom_of_the_keyboard_follows_the_scrolled_thumbnail(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await analyse_video(page, media / "shots.mp4")
    await page.wait_for_function(
        "() => document.querySelector('.frame-button img').naturalWidth > 0"
    )
    await page.keyboard.press("Tab")  # from now on the focus is the keyboard's
    await page.locator(".frame-button").first.focus()
    await page.evaluate("scrollBy(0, 20)")
    await page.wait_for_timeout(100)
    await expect(page.locator(".zoomed")).to_be_visible()


async def test_forced_colours_show_selection_and_scale(
    browser: Browser, console: str, media: Path
) -> None:
    context = await browser.new_context(forced_colors="active")
    page = await context.new_page()
    await page.goto(console)
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    style = "(e, name) => getComputedStyle(e)[name]"
    selected = await page.locator("[aria-selected=true]").evaluate(style, "borderBottomColor")
    other = await page.locator("[aria-selected=false]").first.evaluate(style, "borderBottomColor")
    assert selected != other
    for band in await page.locator(".meter i").all():
        assert await band.evaluate(style, "borderTopStyle") == "solid"
    await context.close()
