"""Thresholds and claims: those of the served model, as the service names them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.actions import analyse_image, analyse_video
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _serve(page: Page, thresholds: dict[str, float] | None, **card: Any) -> None:
    """Changes the thresholds and the card of all models in transit, and reloads the page."""

    async def respond(route: Route) -> None:
        document = await (await route.fetch()).json()
        for model in document["models"]:
            model["thresholds"] = thresholds
            model["card"] = (model["card"] or {}) | card
        await route.fulfill(json=document)

    await page.route("**/v1/info", respond)
    await page.reload()


async def test_bands_and_labels_follow_the_thresholds_of_the_model(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await _serve(page, {"suspicious_from": 0.05, "fake_above": 0.1})
    await analyse_video(page, media / "shots.mp4")
    await expect(page.locator(".meter .ends span")).to_have_text(["0", "0.05", "0.10", "1"])
    await expect(page.locator(".timeline text", has_text="0.05")).to_have_count(1)
    await expect(page.locator(".face-overlay .box.fake").first).to_be_visible()
    slider = page.get_by_role("slider", name="Score over time")
    await slider.focus()
    await slider.press("Home")
    await slider.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("likely fake"))


async def test_without_thresholds_scores_are_shown_without_labels(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await _serve(page, None)
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".meter .ends span")).to_have_text(["0", "1"])
    await expect(page.locator(".meter i")).to_have_count(0)


async def test_the_about_page_names_the_thresholds_of_the_model(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    await _serve(page, {"suspicious_from": 0.3, "fake_above": 0.7})
    for text in ("below 0.30", "0.30 to 0.70", "above 0.70"):
        await expect(page.locator(".cards")).to_contain_text(text)


async def test_claims_come_from_the_card_of_the_model(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    thresholds = {"suspicious_from": 0.4, "fake_above": 0.6}
    await _serve(
        page,
        thresholds,
        url="https://cards.example/mine",
        detects=["lip_sync"],
        excludes=["face_swap", "something_new"],
        min_face_px=4000,
    )
    await analyse_image(page, media / "astronaut.jpg")
    finding = page.locator(".finding")
    await expect(finding).to_contain_text("no sign of lips moved to other words")
    await expect(finding).to_contain_text("Not looked for: swapped faces or something_new.")
    link = finding.get_by_role("link", name="What this model can and can't do")
    await expect(link).to_have_attribute("href", "https://cards.example/mine")
    await expect(page.locator(".faces .small-face")).to_have_count(1)


async def test_stages_of_a_video_are_said_to_run_at_the_same_time(
    open_page: OpenPage, media: Path
) -> None:
    """The response is modified in transit: stages that overlap, and faces that differ."""
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    timings = {"decode": 900.0, "detect": 22100.0, "total": 11900.0}
    shots = job["result"]["shots"]
    lowest, highest = shots[1]["tracks"][0], shots[1]["tracks"][1]
    lowest["fake_probability"], highest["fake_probability"], highest["spread"] = 0.02, 0.99, 0.0
    result = job["result"] | {"timings_ms": timings, "shots": shots, "uncertainty": 0.0}
    await page.route("**/v1/jobs/*", lambda route: route.fulfill(json=job | {"result": result}))
    await page.reload()
    facts = page.locator(".result-text > .facts")
    await expect(facts).to_contain_text("Scores of the faces0.02 to 0.99")
    await expect(facts).to_contain_text("Spread of the most suspicious face")
    for width in (1024, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await facts.locator("dd").first.evaluate("e => e.clientWidth") > 90, width
    await page.get_by_text("Model and timings").click()
    details = page.locator("details")
    await expect(details).to_contain_text("In total11.9\u00a0s")
    await expect(details).to_contain_text("Stages run at the same time")
