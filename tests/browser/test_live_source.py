"""The page of a job that follows a live source; its responses are stubbed."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from playwright.async_api import Route, expect

from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.live import LiveVerdict, Window
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.gateway.live.windows import add_window
from tests.browser.actions import open_panel
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


def summary() -> LiveVerdict:
    """Returns three windows: real, fake after a gap, and one that could not be scored."""
    verdict = LiveVerdict(id="cam", model=ModelRef("detector", "1.0", None, True))
    for window in (
        Window(1, 0.0, 10.0, "real", 0.12, 0.12),
        Window(2, 30.0, 40.0, "fake", 0.91, 0.5, gap="the source was lost"),
        Window(3, 40.0, 50.0, problem={"type": "x"}),
    ):
        verdict = add_window(verdict, window)
    return verdict


async def test_a_live_source_shows_progress_and_its_report_when_cancelled(
    open_page: OpenPage,
) -> None:
    page = await open_page("#/video")
    progress = asdict(Progress("follow", 40, windows=2, seconds=40.0, verdict="fake"))
    running = {
        "id": "cam", "kind": "live", "state": "running", "attempt": 1, "cached": False,
        "created_at": "2026-11-23T01:04:03.596+00:00", "finished_at": None, "problem": None,
        "source": {"name": "rtsp://camera/1", "url": "rtsp://camera/1", "bytes": None},
        "options": {}, "progress": progress, "summary": None, "result": asdict(summary()),
    }  # fmt: skip
    state = {"job": running}

    async def respond(route: Route) -> None:
        if route.request.method == "DELETE":
            state["job"] = running | {"state": "cancelled", "finished_at": "now"}
            await route.fulfill(status=202, json=state["job"])
        else:
            await route.fulfill(json=state["job"])

    async def events(route: Route) -> None:
        name = "progress" if state["job"] is running else "end"
        body = f"event: {name}\ndata: {json.dumps(state['job'])}\n\n"
        await route.fulfill(content_type="text/event-stream", body=body)

    await page.route("**/v1/jobs/cam", respond)
    await page.route("**/v1/jobs/cam/events", events)
    await page.goto(page.url.replace("#/video", "#/jobs/cam"))
    await expect(page.locator(".stage-text")).to_have_text("Following the source")
    await expect(page.locator(".progress-card")).to_contain_text(
        "40 frames · 2 windows · now: likely fake"
    )
    await page.route("**/v1/jobs?*", lambda route: route.fulfill(json={"jobs": [running]}))
    await open_panel(page, "History")
    await page.get_by_role("button", name="Stop rtsp://camera/1").click()
    await expect(page.get_by_role("dialog")).to_contain_text("The results so far are kept.")
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await page.go_back()
    await page.get_by_role("button", name="Cancel the analysis").click()
    await expect(page.locator(".verdict")).to_have_text("Likely fake")
    await expect(page.locator(".big-score")).to_contain_text("0.91")
    await expect(page.locator(".facts")).to_contain_text("1 likely real, 1 likely fake")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("0:30.0 – 0:40.0")
