"""The Batch panel: the table, its order, totals, downloads, retries of an overloaded service."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.actions import analyse_image, open_panel, problem_response, with_faces
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILES = ("astronaut.jpg", "coffee.jpg", "group.jpg", "notes.txt")


async def _batch(page: Page, media: Path, *names: str) -> None:
    await page.set_input_files("input[type=file]", [media / name for name in names])
    await expect(page.get_by_text(f"{len(names)} of {len(names)} finished")).to_be_visible()


async def test_the_table_has_a_row_for_each_file_and_a_bad_file_affects_no_other(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/batch")
    await _batch(page, media, *FILES)
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(4)
    await expect(rows.nth(0).locator("canvas")).to_be_visible()
    await expect(rows.nth(1)).to_contain_text("No face found")
    await expect(rows.nth(3)).to_contain_text("This file type isn't supported")
    totals = [await t.text_content() for t in await page.locator(".total").all()]
    assert sum(int((t or "0")[0]) for t in totals) == 4
    assert "1Problem" in totals
    assert "1No face found" in totals


async def test_columns_sort_both_ways_and_rows_without_a_score_come_last(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/batch")
    await _batch(page, media, *FILES)
    heading = page.get_by_role("columnheader", name="Score")
    for direction in ("descending", "ascending"):
        await heading.get_by_role("button").click()
        await expect(heading).to_have_attribute("aria-sort", direction)
        cells = await page.locator("tbody tr td:nth-child(3)").all_text_contents()
        scores = [float(c) for c in cells if c not in ("", "–")]
        assert scores == sorted(scores, reverse=direction == "descending")
        assert all(c in ("", "–") for c in cells[len(scores) :])
    await page.get_by_role("columnheader", name="Image").get_by_role("button").click()
    names = await page.locator("tbody .name").all_text_contents()
    assert names == sorted(FILES)


async def test_csv_holds_every_row_and_escapes_formulas(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / '=HYPERLINK("http:x","y").jpg'.replace("/", "")
    shutil.copy(media / "astronaut.jpg", hostile)
    shutil.copy(media / "coffee.jpg", tmp_path / "plain.jpg")
    page = await open_page("#/batch")
    await _batch(page, tmp_path, hostile.name, "plain.jpg")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download CSV").click()
    text = (await (await download.value).path()).read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["'" + hostile.name, "plain.jpg"]
    assert rows[1]["verdict"] == "no_face"
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download JSON").click()
    documents = json.loads((await (await download.value).path()).read_text())
    assert documents[0]["name"] == hostile.name
    assert documents[1]["verdict"]["faces"] == []


async def test_a_row_and_the_csv_name_a_face_that_is_worse_than_its_image(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    original = await analyse_image(page, media / "astronaut.jpg")
    mixed_faces = with_faces(
        original,
        {0.05: "real", 0.3: "real", **{p / 100: "real" for p in range(6, 23)}, 0.61: "fake"},
    )
    await page.route("**/v1/images", lambda route: route.fulfill(json=mixed_faces))
    await open_panel(page, "Batch")
    await _batch(page, media, "astronaut.jpg")
    await expect(page.locator("tbody tr")).to_contain_text("1 face is likely fake by itself")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download CSV").click()
    text = (await (await download.value).path()).read_bytes().decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["verdict"], row["highest_face"]) == ("real", "0.61")


async def test_an_image_is_retried_when_the_service_is_overloaded(
    open_page: OpenPage, media: Path
) -> None:
    """The 429 is stubbed; the gateway's own tests cover the full queue."""
    page = await open_page("#/batch")
    refused: list[str] = []
    refuse = problem_response("overloaded", "Overloaded", 429, "the queue is full", 1)

    async def first_refused(route: Route) -> None:
        if not refused:
            refused.append(route.request.url)
            await refuse(route)
        else:
            await route.continue_()

    await page.route("**/v1/images", first_refused)
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await expect(page.locator("tbody tr")).to_contain_text("busy, retrying in 1 s")
    await expect(page.get_by_text("1 of 1 finished")).to_be_visible()
    await expect(page.locator("tbody .badge")).not_to_have_class("badge problem-badge")


async def test_a_batch_waits_for_a_lost_connection(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/batch")
    await page.context.set_offline(True)
    await page.set_input_files("input[type=file]", [media / "astronaut.jpg"] * 9)
    await expect(page.locator("tbody .state", has_text="no connection")).to_have_count(3)
    await expect(page.locator("tbody .state", has_text="waiting")).to_have_count(6)
    await page.context.set_offline(False)
    await expect(page.get_by_text("9 of 9 finished")).to_be_visible()
    await expect(page.locator("tbody .problem-badge")).to_have_count(0)


async def test_at_most_three_images_are_in_flight(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/batch")
    held: list[Route] = []

    async def keep_waiting(route: Route) -> None:
        held.append(route)

    await page.route("**/v1/images", keep_waiting)
    await page.set_input_files("input[type=file]", [media / "astronaut.jpg"] * 2)
    await expect(page.locator(".state", has_text="sent")).to_have_count(2)
    await page.set_input_files("input[type=file]", [media / "astronaut.jpg"] * 3)
    await expect(page.locator(".state", has_text="sent")).to_have_count(3)
    await expect(page.locator(".state", has_text="waiting")).to_have_count(2)
    assert len(held) == 3
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".state", has_text="stopped")).to_have_count(5)
    assert len(held) == 3


async def test_a_row_opens_its_image_with_the_boxes(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/batch")
    await _batch(page, media, "astronaut.jpg")
    await page.get_by_role("link", name="astronaut.jpg").click()
    await expect(page.locator(".finding")).to_be_visible()
    await expect(page.locator(".face-overlay .box")).to_have_count(1)
    await page.go_back()
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_a_file_that_is_at_fault_itself_is_not_retried(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/batch")
    await _batch(page, media, "notes.txt", "astronaut.jpg")
    await expect(page.locator("tbody .problem-badge")).to_have_count(1)
    await expect(page.get_by_role("button", name="Retry failed")).to_be_hidden()


async def test_failed_images_can_be_retried_without_the_others(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/batch")
    refuse = problem_response("internal", "Internal error", 500, "a defect")
    await page.route("**/v1/images", refuse)
    await _batch(page, media, "astronaut.jpg")
    await page.unroute("**/v1/images")
    await page.set_input_files("input[type=file]", media / "coffee.jpg")
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    async with page.expect_response("**/v1/images"):
        await page.get_by_role("button", name="Retry failed (1)").click()
    await expect(page.locator("tbody .problem-badge")).to_have_count(0)
    await expect(page.get_by_role("button", name="Retry failed")).to_have_count(0)
    assert len(sent) == 1


async def test_clear_can_be_undone(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/batch")
    await _batch(page, media, "astronaut.jpg", "coffee.jpg")
    await page.get_by_role("button", name="Clear").click()
    await expect(page.locator("tbody tr")).to_have_count(0)
    await expect(page.get_by_text("2 images were cleared.")).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()


async def test_csv_begins_with_a_byte_order_mark_for_spreadsheets(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/batch")
    await _batch(page, media, "coffee.jpg")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download CSV").click()
    assert (await (await download.value).path()).read_bytes().startswith(b"\xef\xbb\xbfname,")
