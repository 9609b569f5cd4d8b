"""Labels of users: "This is wrong" for images, faces and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.actions import analyse_image, analyse_video, open_panel, problem_response
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def last_given(page: Page) -> dict[str, Any]:
    response = await page.request.get(page.url.split("#")[0] + "v1/feedback?limit=1")
    given: dict[str, Any] = (await response.json())["feedback"][0]
    return given


async def send(page: Page, name: str, note: str = "") -> None:
    """Sends the preset label."""
    await page.get_by_role("button", name=f"This is wrong: {name}", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("How do you know?").fill(note)
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog).to_have_count(0)


async def test_an_image_is_labelled_with_the_opposite_and_a_note(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "astronaut.jpg")
    await send(page, "astronaut.jpg", "a swap <of> mine")
    await expect(page.locator(".given")).to_contain_text("You labelled this as fake.")
    given = await last_given(page)
    assert (given["id"], given["label"], given["note"]) == (
        verdict["id"], "fake", "a swap <of> mine",
    )  # fmt: skip
    await page.get_by_role("button", name="Change your label: astronaut.jpg").click()
    await page.get_by_role("dialog").get_by_label("real").check()
    await page.get_by_role("dialog").get_by_role("button", name="Send").click()
    await expect(page.locator(".given")).to_contain_text("You labelled this as real.")
    assert (await last_given(page))["label"] == "real"


async def test_a_label_stays_when_the_report_is_drawn_again(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "astronaut.jpg")
    await send(page, "astronaut.jpg")
    await page.get_by_role("button", name="Show heatmaps").click()
    await expect(page.locator(".provenance")).to_be_visible()
    await expect(page.locator(".given")).to_contain_text("You labelled this as fake.")
    await page.get_by_role("button", name="Change your label: astronaut.jpg").click()
    await page.get_by_role("dialog").get_by_label("real").check()
    await page.get_by_role("dialog").get_by_role("button", name="Send").click()
    await expect(page.locator(".given")).to_contain_text("You labelled this as real.")
    assert (await last_given(page))["id"] == verdict["id"]
    await open_panel(page, "History")
    await page.get_by_role("link", name="astronaut.jpg").click()
    await expect(page.locator(".given")).to_contain_text("You labelled this as real.")


async def test_a_face_among_several_is_labelled(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_image(page, media / "group.jpg")
    await send(page, "Face 3")
    given = await last_given(page)
    assert (given["face"], given["label"]) == (2, "real")
    assert "note" not in given


async def test_an_unsure_verdict_presets_no_label(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_image(page, media / "unsure.jpg")
    await page.get_by_role("button", name="This is wrong: unsure.jpg").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator(":checked")).to_have_count(0)
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("fake").check()
    await dialog.get_by_role("button", name="Send").click()
    await expect(page.locator(".given")).to_contain_text("You labelled this as fake.")


async def test_a_video_and_one_of_its_faces_are_labelled(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    await send(page, "shots.mp4")
    given = await last_given(page)
    assert (given["id"], given.get("track")) == (job["id"], None)
    await send(page, "Face 1")
    tracks = [track["id"] for shot in job["result"]["shots"] for track in shot["tracks"]]
    assert (await last_given(page))["track"] in tracks


async def test_a_refusal_keeps_the_dialog_and_the_note(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_image(page, media / "astronaut.jpg")
    refusal = problem_response("not-found", "Not found", 404, "no image response has the id")
    await page.route("**/v1/feedback", refusal)
    await page.get_by_role("button", name="This is wrong: astronaut.jpg").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("How do you know?").fill("kept")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("no longer has this analysis")
    await expect(dialog.get_by_label("How do you know?")).to_have_value("kept")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.locator(".given")).to_have_text("")


async def test_a_service_that_remembers_no_images_takes_no_labels_of_them(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/about")
    info = await (await page.request.get(page.url.split("#")[0] + "v1/info")).json()
    await page.route("**/v1/info", lambda route: route.fulfill(json=info | {"feedback": False}))
    await page.reload()
    await page.goto(page.url.split("#")[0] + "#/image")
    await analyse_image(page, media / "group.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await expect(page.locator(".wrong:visible")).to_have_count(0)
