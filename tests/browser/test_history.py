"""The History panel: filters, links and deletion of past videos."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Route, expect

from tests.browser.actions import (
    analyse_image,
    analyse_video,
    open_panel,
    problem_response,
)
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


_DECODED = "(image) => image.decode().then(() => image.naturalWidth)"


async def test_entries_have_thumbnails(open_page: OpenPage, media: Path, tmp_path: Path) -> None:
    name = f"thumbnail-{tmp_path.name}.mp4"
    shutil.copy(media / "shots.mp4", tmp_path / name)
    page = await open_page("#/video")
    await analyse_video(page, tmp_path / name)
    await open_panel(page, "Image")
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await open_panel(page, "History")
    video = page.locator("tr", has=page.get_by_role("link", name=name))
    assert await video.locator(".thumbnail img").evaluate(_DECODED) > 0
    image = page.locator("tr", has=page.get_by_role("link", name="astronaut.jpg"))
    await expect(image.locator(".thumbnail canvas")).to_have_count(1)


async def test_an_image_job_shows_its_image_and_opens_a_report(
    open_page: OpenPage, media: Path, tmp_path: Path, console: str
) -> None:
    page = await open_page("#/about")
    name = f"job-{tmp_path.name}.jpg"
    file: FilePayload = {
        "name": name,
        "mimeType": "image/jpeg",
        "buffer": (media / "astronaut.jpg").read_bytes(),
    }
    headers = {"Prefer": "respond-async"}
    url = f"{console}/v1/images"
    assert (await page.request.post(url, multipart={"file": file}, headers=headers)).status == 202
    await open_panel(page, "History")
    await page.get_by_label("State").select_option("succeeded")
    row = page.locator("tr", has=page.get_by_role("link", name=name))
    await expect(row.locator(".thumbnail canvas")).to_have_count(1)
    await page.get_by_role("link", name=name).click()
    await expect(page.locator(".finding")).to_be_visible()
    assert await page.title() == f"{name} · Deepfake console"


async def test_a_running_entry_is_updated_and_the_focus_stays(
    open_page: OpenPage, media: Path, tmp_path: Path, console: str
) -> None:
    page = await open_page("#/about")
    names = [f"{kind}-{tmp_path.name}.mp4" for kind in ("long", "later")]
    content = (media / "shots.mp4").read_bytes()

    async def submit(name: str) -> str:
        file: FilePayload = {"name": name, "mimeType": "video/mp4", "buffer": content}
        response = await page.request.post(f"{console}/v1/videos", multipart={"file": file})
        job_id: str = (await response.json())["id"]
        return job_id

    running = await submit(names[0])
    await open_panel(page, "History")
    await page.get_by_label("Search").fill(tmp_path.name)
    row = page.locator("tr", has=page.get_by_role("link", name=names[0]))
    await expect(row.locator(".state.minor")).to_contain_text("Running")
    link = page.get_by_role("link", name=names[0])
    await link.focus()
    await submit(names[1])
    await expect(page.get_by_role("link", name=names[1])).to_be_visible()
    await expect(link).to_be_focused()
    await page.request.delete(f"{console}/v1/jobs/{running}")
    await expect(row.locator(".state.minor")).to_have_text("Cancelled")
    await expect(link).to_be_focused()
    await page.request.delete(f"{console}/v1/jobs/{running}")
    await expect(link).to_have_count(0)


async def test_a_list_that_failed_is_not_fetched_again_by_itself(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await page.clock.install()
    failure = problem_response("internal", "Internal error", 500, "a bug")
    await page.route("**/v1/jobs?**", failure)
    await open_panel(page, "History")
    await expect(page.locator(".problem")).to_be_visible()
    await page.clock.run_for(120_000)
    assert sum("/v1/jobs?" in url for url in requests) == 1


async def test_a_service_that_keeps_images_says_so(open_page: OpenPage) -> None:
    page = await open_page("#/history")
    await expect(page.get_by_text("The service doesn't store images.")).to_be_visible()
    info = await (await page.request.get(page.url.split("#")[0] + "v1/info")).json()
    await page.route("**/v1/info", lambda route: route.fulfill(json=info | {"keeps_images": True}))
    await page.reload()
    await expect(page.get_by_text("The service keeps analysed images")).to_be_visible()


async def test_an_empty_history_names_no_filter(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    none = {"jobs": [], "next": None}
    await page.route("**/v1/jobs?**", lambda route: route.fulfill(json=none))
    await open_panel(page, "History")
    await expect(page.get_by_text("Nothing is stored yet.")).to_be_visible()
    await page.get_by_label("State").select_option("failed")
    await expect(page.get_by_text("No analyses match.")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 1000, 360])
async def test_no_text_of_the_table_covers_another_in_german(
    browser: Browser, console: str, media: Path, tmp_path: Path, width: int
) -> None:
    """The jobs are modified in transit: they have the longest labels."""
    context = await browser.new_context(locale="de-DE", viewport={"width": width, "height": 900})
    page = await context.new_page()
    await page.goto(f"{console}/#/video")
    name = f"labels-{tmp_path.name}.mp4"
    shutil.copy(media / "shots.mp4", tmp_path / name)
    await analyse_video(page, tmp_path / name)

    async def longest(route: Route) -> None:
        page = await (await route.fetch()).json()
        job = next(job for job in page["jobs"] if job["source"]["name"] == name)
        fake = job | {"id": "a", "summary": job["summary"] | {"verdict": "fake"}}
        dead = job | {"id": "b", "state": "dead", "summary": None}
        await route.fulfill(json=page | {"jobs": [fake, dead]})

    await page.route("**/v1/jobs?*", longest)
    await page.goto(f"{console}/#/history")
    await expect(page.locator(".results-table tbody tr")).to_have_count(2)
    wide = await page.locator(".results-table tbody td").evaluate_all(
        "cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth)"
        ".map((cell) => cell.textContent)"
    )
    assert wide == []
    await context.close()
