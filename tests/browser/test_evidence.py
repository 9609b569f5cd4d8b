"""Heatmaps beside faces, and the origin of a file."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, expect

from model_handlers.pipeline.heatmaps.heatmap import build_rollout
from tests.browser.actions import analyse_image, problem_response
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUTTON = "Show heatmaps and the file's origin"
NEXT_REQUEST = "**/v1/images?explain=true&provenance=true&model=*"


async def show_evidence(page: Page, file: Path) -> None:
    await analyse_image(page, file)
    await page.get_by_role("button", name=BUTTON).click()
    await expect(page.locator(".provenance")).to_be_visible()


async def test_every_face_has_its_crop_and_its_map(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await show_evidence(page, media / "group.jpg")
    items = page.locator(".heat-faces li")
    await expect(items).to_have_count(3)
    for number in range(3):
        images = items.nth(number).locator("img")
        await expect(images).to_have_count(3)
        for image in await images.all():
            assert await image.evaluate("(image) => image.decode().then(() => image.naturalWidth)")
    await expect(page.get_by_role("button", name=BUTTON)).to_have_count(0)


async def test_the_slider_sets_the_opacity_of_the_maps(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await show_evidence(page, media / "swapped.jpg")
    overlay = page.locator(".heat-overlay").first
    await expect(overlay).to_have_css("opacity", "0.8")
    slider = page.get_by_role("slider", name="Opacity of the maps")
    await slider.fill("0")
    await expect(overlay).to_have_css("opacity", "0")
    await slider.press("End")
    await expect(overlay).to_have_css("opacity", "1")


async def test_a_map_has_a_legend_and_a_text(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await show_evidence(page, media / "swapped.jpg")
    await expect(page.locator(".heat-legend")).to_contain_text("lowers the score")
    await expect(page.locator(".heat-legend")).to_contain_text("raises the score")
    await expect(page.locator(".heat-faces li")).to_contain_text(
        "Strongest: +0.44 at the upper left"
    )
    alternative = await page.locator(".heat-overlay").get_attribute("alt")
    assert alternative == "Heatmap of Face 1. Strongest: +0.44 at the upper left."


async def test_attention_has_no_sign_and_says_so(open_page: OpenPage, media: Path) -> None:
    shares = np.full((14, 14), 0.001, np.float32)
    shares[2:4, 10:12] = 0.12
    rollout = asdict(build_rollout(np.full((224, 224, 3), 120, np.uint8), shares))

    page, file = await open_page(), media / "swapped.jpg"
    async with page.expect_response("**/v1/images*") as first:
        await analyse_image(page, file)
    verdict = await (await first.value).json()
    verdict["faces"][0]["heatmap"] = rollout
    await page.route(NEXT_REQUEST, lambda route: route.fulfill(json=verdict))
    await page.get_by_role("button", name=BUTTON).click()
    await expect(page.locator(".heatmaps")).to_contain_text("does not show what raised or lowered")
    await expect(page.locator(".heat-faces li")).to_contain_text(
        "Strongest: 12\u00a0% at the upper right."
    )
    await expect(page.locator(".heat-legend")).to_be_hidden()


async def test_broken_credentials_are_shown_with_signer_and_steps(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await show_evidence(page, media / "swapped.jpg")
    panel = page.locator(".provenance")
    for text in (
        "Content credentials that don't hold",
        "The file was changed after it was signed",
        "Example Press, Example camera 3",
        "Created · Taken by a camera · Example camera 3",
        "com.example.retouched",
        "assertion.dataHash.mismatch",
        hashlib.sha256((media / "swapped.jpg").read_bytes()).hexdigest(),
    ):
        await expect(panel).to_contain_text(text)


async def test_a_file_without_credentials_says_that_it_means_nothing(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await show_evidence(page, media / "astronaut.jpg")
    await expect(page.locator(".credentials.none")).to_contain_text("this says nothing")
    await expect(page.locator(".provenance .notice")).to_have_count(0)


async def test_no_face_has_no_heatmaps(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await show_evidence(page, media / "coffee.jpg")
    await expect(page.locator(".heatmaps")).to_have_count(0)


async def test_a_failure_leaves_the_verdict_and_can_be_retried(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_image(page, media / "swapped.jpg")
    overloaded = problem_response("overloaded", "Overloaded", 503, "all workers are busy")
    await page.route(NEXT_REQUEST, overloaded)
    await page.get_by_role("button", name=BUTTON).click()
    await expect(page.locator(".evidence-request .problem")).to_be_visible()
    await expect(page.locator(".finding")).to_be_visible()
    await page.unroute(NEXT_REQUEST)
    await page.get_by_role("button", name=BUTTON).click()
    await expect(page.locator(".heat-faces li")).to_have_count(1)
