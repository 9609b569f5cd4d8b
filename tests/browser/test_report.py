"""Reports to hand over: on paper or as PDF, as JSON, as a link."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.actions import analyse_image, analyse_video
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _download(page: Page, button: str) -> tuple[str, Any]:
    async with page.expect_download() as download:
        await page.get_by_role("button", name=button).click()
    saved = await download.value
    return saved.suggested_filename, json.loads((await saved.path()).read_text())


async def test_the_report_of_an_image_has_all_evidence(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "astronaut.jpg")
    info = await (await page.request.get(page.url.split("#")[0] + "v1/info")).json()
    name, report = await _download(page, "Download report")
    assert name == "astronaut-report.json"
    content = (media / "astronaut.jpg").read_bytes()
    assert report["source"] == {
        "name": "astronaut.jpg",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert report["verdict"]["in_words"] == "Likely real"
    assert report["verdict"]["score"] == verdict["fake_probability"]
    assert report["model"] == verdict["model"]
    assert report["card"]["excludes"] == ["generated_face", "reenactment", "lip_sync"]
    assert report["thresholds"] == info["models"][0]["thresholds"]
    assert report["service"] == {"name": info["name"], "version": info["version"]}
    assert report["analysed_at"].endswith("Z")
    assert report["result"] == verdict


async def test_the_report_of_a_video_has_its_options_and_a_link(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await page.get_by_label("Score of the video").select_option("mean")
    job = await analyse_video(page, media / "shots.mp4")
    name, report = await _download(page, "Download report")
    assert name == "shots-report.json"
    assert report["options"] == job["options"]
    await expect(page.locator(".report-sheet")).to_contain_text(
        "Score of the video: Mean over all faces"
    )
    assert report["link"] == page.url
    assert report["analysed_at"] == job["finished_at"]
    await page.get_by_role("button", name="Copy the link").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == page.url


async def test_a_printed_report_shows_the_evidence_and_no_controls(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "astronaut.jpg")
    sheet = page.locator(".report-sheet")
    await expect(sheet.locator("dt").first).to_be_attached()
    await expect(sheet).to_be_hidden()
    await page.emulate_media(media="print")
    await expect(sheet).to_be_visible()
    digest = hashlib.sha256((media / "astronaut.jpg").read_bytes()).hexdigest()
    for text in (digest, verdict["model"]["digest"], "real below 0.40, fake above 0.60"):
        await expect(sheet).to_contain_text(text)
    for hidden in (".page-header", ".picker", ".actions", ".page-footer", "details"):
        assert await page.locator(f"{hidden}:visible").count() == 0, hidden
    for shown in (".finding", ".face-overlay img", ".faces li"):
        await expect(page.locator(shown).first).to_be_visible()


async def test_a_report_is_saved_as_pdf(open_page: OpenPage, media: Path, tmp_path: Path) -> None:
    page = await open_page("#/video")
    await analyse_video(page, media / "shots.mp4")
    await expect(page.locator(".report-sheet dt").first).to_be_attached()
    pdf = await page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF")
    assert 1 <= pdf.count(b"/Type /Page\n") <= 4


async def test_paper_has_no_blank_player_and_no_heading_at_the_end_of_a_page(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await page.route("**/media", lambda route: route.abort())
    await analyse_video(page, media / "shots.mp4")
    await expect(page.locator(".face-overlay.blank")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.locator(".face-overlay.blank")).to_be_hidden()
    breaks = "headings => [...new Set(headings.map((h) => getComputedStyle(h).breakAfter))]"
    assert await page.locator("h2, h3, h4").evaluate_all(breaks) == ["avoid"]
    assert await page.locator(".tracks").evaluate("e => getComputedStyle(e).display") == "block"


async def test_print_opens_the_print_dialog_of_the_browser(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_image(page, media / "astronaut.jpg")
    await page.evaluate("window.print = () => { window.printed = true }")
    await page.get_by_role("button", name="Print or save as PDF").click()
    assert await page.evaluate("window.printed") is True


async def test_a_link_leads_to_how_to_read_a_report(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_image(page, media / "astronaut.jpg")
    link = page.get_by_role("link", name="How to read this report")
    target = await link.get_attribute("href")
    assert target is not None
    path, fragment = target.split("/blob/main/")[1].split("#")
    headings = (Path(__file__).parents[2] / path).read_text().lower()
    assert f"## {fragment.replace('-', ' ')}" in headings


async def test_a_report_has_the_heatmaps_the_origin_and_the_members(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await page.get_by_label("Model").select_option("ensemble")
    await page.set_input_files("input[type=file]", media / "swapped.jpg")
    await page.get_by_role("button", name="Show heatmaps and the file's origin").click()
    await expect(page.locator(".provenance")).to_be_visible()
    _, report = await _download(page, "Download report")
    assert report["provenance"]["credentials"]["state"] == "invalid"
    assert report["members"] == [
        {"model": "detector", "weight": 4, "unavailable": None},
        {"model": "detector-gpu", "weight": 1, "unavailable": None},
        {"model": "detector-mixed", "weight": 1, "unavailable": "deadline-exceeded"},
    ]
    models = report["result"]["faces"][0]["models"]
    assert models["detector"]["heatmap"]["overlay"].startswith("data:image/png")
    await page.emulate_media(media="print")
    for shown in (
        ".heat-member",
        ".heat-pair img",
        ".heat-overlay",
        ".heat-legend",
        ".provenance",
        ".member-bar",
    ):
        await expect(page.locator(shown).first).to_be_visible()
    for hidden in (".heat-opacity", ".wrong", ".evidence-request"):
        assert await page.locator(f"{hidden}:visible").count() == 0, hidden
    sheet = page.locator(".report-sheet")
    await expect(sheet).to_contain_text("detector (weight 4), detector-gpu (weight 1)")
    await expect(sheet).to_contain_text("detector-mixed (weight 1): no score: It took too long")
    await expect(sheet).to_contain_text("Content credentials that don't hold")


async def test_a_report_says_how_a_user_labelled_the_file(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await analyse_image(page, media / "astronaut.jpg")
    await page.get_by_role("button", name="This is wrong: astronaut.jpg").click()
    await page.get_by_role("dialog").get_by_role("button", name="Send").click()
    await page.emulate_media(media="print")
    await expect(page.locator(".given")).to_be_visible()
    await expect(page.locator(".given")).to_contain_text("You labelled this as fake.")
