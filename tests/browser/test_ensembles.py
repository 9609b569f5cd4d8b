"""Ensembles: the choice of a model, and a bar for each member."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.actions import analyse_image, open_panel
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIDENCE = "Show heatmaps and the file's origin"


async def analyse_by_ensemble(page: Page, file: Path) -> None:
    await page.get_by_label("Model").select_option("ensemble (3 models)")
    async with page.expect_response("**/v1/images?model=ensemble"):
        await page.set_input_files("input[type=file]", file)
    await expect(page.locator(".finding")).to_be_visible()


async def test_every_member_has_a_bar_its_weight_and_its_score(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_by_ensemble(page, media / "group.jpg")
    members = page.locator(".faces > li").nth(2).locator(".members li")
    await expect(members).to_have_count(3)
    await expect(members.nth(0)).to_contain_text("detector 67")
    await expect(members.nth(0)).to_contain_text("0.91")
    await expect(members.nth(1)).to_contain_text("0.26")
    widths = [await members.nth(n).locator(".member-bar i").bounding_box() for n in range(2)]
    assert widths[0] is not None
    assert widths[1] is not None
    assert widths[0]["width"] > 3 * widths[1]["width"] > 0


async def test_an_absent_member_is_named_with_its_reason(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_by_ensemble(page, media / "astronaut.jpg")
    absent = page.locator(".members li").nth(2)
    await expect(absent).to_contain_text("detector-mixed")
    await expect(absent).to_contain_text("no score: It took too long")
    await expect(absent.locator(".member-bar")).to_have_count(0)


async def test_members_that_contradict_each_other_are_named_so(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_by_ensemble(page, media / "group.jpg")
    faces = page.locator(".faces > li")
    await expect(faces.nth(0)).to_contain_text("The models differ by 0.01 (0.08 to 0.09).")
    await expect(faces.nth(0)).not_to_contain_text("contradict")
    await expect(faces.nth(2)).to_contain_text("They contradict each other")


async def test_a_single_model_has_no_bars(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_image(page, media / "group.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await expect(page.locator(".members")).to_have_count(0)


async def test_the_choice_holds_on_every_panel_and_for_the_evidence(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_by_ensemble(page, media / "astronaut.jpg")
    async with page.expect_request("**/v1/images?explain=true&provenance=true&model=ensemble"):
        await page.get_by_role("button", name=EVIDENCE).click()
    for panel in ("Batch", "Video"):
        await open_panel(page, panel)
        await expect(page.get_by_label("Model")).to_have_value("ensemble")
    await open_panel(page, "Batch")
    async with page.expect_request("**/v1/images?model=ensemble"):
        await page.set_input_files("input[type=file]", media / "astronaut.jpg")


async def test_there_is_no_choice_where_one_model_is_served(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    info = await (await page.request.get(page.url.split("#")[0] + "v1/info")).json()
    one = info | {"models": [each for each in info["models"] if each["task"] != "ensemble"]}
    await page.route("**/v1/info", lambda route: route.fulfill(json=one))
    await page.reload()
    await open_panel(page, "Image")
    await expect(page.get_by_text("You can also paste")).to_be_visible()
    await expect(page.get_by_label("Model")).to_be_hidden()


async def test_the_maps_of_each_member_can_be_chosen_by_key(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_by_ensemble(page, media / "swapped.jpg")
    await page.get_by_role("button", name=EVIDENCE).click()
    choice = page.get_by_label("Maps of the member")
    await expect(choice.locator("option")).to_have_text(["detector", "detector-gpu"])
    await expect(choice).to_have_value("detector")
    first = await page.locator(".heat-overlay").get_attribute("src")
    await expect(page.locator(".heat-faces li")).to_contain_text("Strongest: +0.44")
    await page.get_by_role("slider", name="Opacity of the maps").fill("30")
    await choice.focus()
    await choice.press("ArrowDown")
    await choice.press("Enter")
    await expect(choice).to_have_value("detector-gpu")
    await expect(page.locator(".heat-faces li")).to_contain_text("Strongest: -0.26")
    assert await page.locator(".heat-overlay").get_attribute("src") != first
    await expect(page.locator(".heat-overlay")).to_have_css("opacity", "0.3")


async def test_the_first_member_with_maps_is_shown_first(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_by_ensemble(page, media / "swapped.jpg")
    async with page.expect_response("**/v1/images?explain=true&*") as response:
        await page.get_by_role("button", name=EVIDENCE).click()
    document = await (await response.value).json()
    document["faces"][0]["models"]["detector"].pop("heatmap")
    await page.reload()
    await analyse_by_ensemble(page, media / "swapped.jpg")
    await page.route("**/v1/images?explain=true&*", lambda route: route.fulfill(json=document))
    await page.get_by_role("button", name=EVIDENCE).click()
    await expect(page.get_by_label("Maps of the member")).to_have_value("detector-gpu")
    await expect(page.locator(".heat-overlay")).to_be_visible()
