"""The Video panel and a job's page: upload, progress, player, timeline, shots, failures."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.actions import LABELS, analyse_video, problem_response, submit_video
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _time(page: Page) -> float:
    seconds: float = await page.evaluate("() => document.querySelector('video').currentTime")
    return seconds


async def _ready(page: Page) -> None:
    await page.wait_for_function("() => document.querySelector('video').readyState >= 2")


async def test_a_video_upload_shows_progress_and_a_report(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    result = job["result"]
    await expect(page.locator(".verdict")).to_have_text(LABELS[result["verdict"]])
    await expect(page.locator(".shot-button")).to_have_count(len(result["shots"]))
    await _ready(page)
    assert await page.locator("video").evaluate("v => v.videoWidth") == 640
    tracks = sum(len(shot["tracks"]) for shot in result["shots"])
    assert tracks > 0
    await expect(page.locator(".timeline .track")).to_have_count(tracks)
    await expect(page.locator(".timeline .segment")).to_have_count(len(result["shots"]))


async def test_shots_are_sorted_highest_first_and_show_their_faces(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    result = (await analyse_video(page, media / "shots.mp4"))["result"]
    order = sorted(
        range(len(result["shots"])), key=lambda n: -(result["shots"][n]["fake_probability"] or -1)
    )
    names = await page.locator(".shot-name").all_text_contents()
    assert names == [f"Shot {n + 1}" for n in order]
    best = result["shots"][order[0]]
    await expect(page.locator(".track-card")).to_have_count(len(best["tracks"]))
    image = page.locator(".frame-button img").first
    await expect(image).to_be_visible()
    assert await image.evaluate("async i => { await i.decode(); return i.naturalWidth }") > 0
    empty = next(n for n, shot in enumerate(result["shots"]) if not shot["tracks"])
    await page.locator(".shot-button", has_text=f"Shot {empty + 1}").click()
    await expect(page.locator(".tracks")).to_contain_text("nothing was scored in it")
    await _ready(page)
    assert await _time(page) == pytest.approx(result["shots"][empty]["start_s"], abs=0.05)


async def test_a_report_opens_at_the_most_suspicious_frame(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    result = (await analyse_video(page, media / "shots.mp4"))["result"]
    scored = [s for s in result["shots"] if s["tracks"]]
    shot = max(scored, key=lambda s: s["fake_probability"])
    track = max(shot["tracks"], key=lambda t: t["fake_probability"])
    frame = max(track["frames"], key=lambda f: f["fake_probability"])
    await _ready(page)
    await page.wait_for_function("() => !document.querySelector('video').seeking")
    assert await _time(page) == pytest.approx(frame["t_s"], abs=0.05)
    number = result["shots"].index(shot) + 1
    await expect(page.locator(".big-score")).to_contain_text(f"(shot {number}, 0:")
    await expect(page.locator(".face-overlay .tag").first).to_be_visible()
    await page.locator(".shot-button").last.click()
    await page.locator(".shot-button", has_text=f"Shot {number}").click()
    await page.wait_for_function("() => !document.querySelector('video').seeking")
    assert await _time(page) == pytest.approx(frame["t_s"], abs=0.05)


async def test_on_a_phone_the_verdict_stands_above_the_video(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await page.set_viewport_size({"width": 390, "height": 844})
    await analyse_video(page, media / "shots.mp4")
    verdict = await page.locator(".finding").bounding_box()
    video = await page.locator(".watch").bounding_box()
    assert verdict is not None
    assert video is not None
    assert verdict["y"] + verdict["height"] <= video["y"]


async def test_a_click_on_the_timeline_seeks_and_the_boxes_follow(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    result = (await analyse_video(page, media / "shots.mp4"))["result"]
    await _ready(page)
    point = page.locator(".timeline circle").nth(3)
    await point.click()
    first = [f["t_s"] for shot in result["shots"] for t in shot["tracks"] for f in t["frames"]]
    assert await _time(page) == pytest.approx(first[3], abs=0.02)
    await expect(page.locator(".face-overlay .box").first).to_be_visible()


async def test_arrow_keys_step_through_frames_and_page_keys_through_shots(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    result = (await analyse_video(page, media / "shots.mp4"))["result"]
    await _ready(page)
    slider = page.get_by_role("slider", name="Score over time")
    await slider.focus()
    times = sorted({f["t_s"] for s in result["shots"] for t in s["tracks"] for f in t["frames"]})
    await slider.press("Home")
    after = [t for t in times if t > 0.01]
    for expected in after[:2]:
        await slider.press("ArrowRight")
        await expect(slider).to_have_attribute("aria-valuenow", f"{expected:.1f}")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile(r"face 1 [01]\.\d\d"))
    await slider.press("PageDown")
    begin = min(s["start_s"] for s in result["shots"] if s["start_s"] > after[1] + 0.01)
    await page.wait_for_function("() => !document.querySelector('video').seeking")
    assert await _time(page) == pytest.approx(begin, abs=0.05)


async def test_a_face_image_is_enlarged_on_hover_or_focus_and_seeks(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await analyse_video(page, media / "shots.mp4")
    await _ready(page)
    button = page.locator(".frame-button").first
    await button.scroll_into_view_if_needed()
    await button.hover()
    await expect(page.locator(".zoomed")).to_be_visible()
    small = await button.locator("img").bounding_box()
    large = await page.locator(".zoomed").bounding_box()
    assert small is not None
    assert large is not None
    assert large["width"] > small["width"]
    await page.keyboard.press("Escape")
    await expect(page.locator(".zoomed")).to_have_count(0)
    await button.focus()
    await expect(page.locator(".zoomed")).to_be_visible()
    await button.press("Enter")
    await page.wait_for_function("() => document.querySelector('video').currentTime > 0")


async def test_the_options_are_sent(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    await page.get_by_label("Frames").select_option("uniform:30")
    await page.get_by_label("Score of the video").select_option("mean")
    await page.get_by_label("Split into shots").uncheck()
    async with page.expect_request("**/v1/videos?*") as sent:
        await page.set_input_files("input[type=file]", media / "shots.mp4")
    url = (await sent.value).url
    assert "sampling=uniform%3A30" in url
    assert "aggregation=mean" in url
    assert "shots=false" in url


async def test_a_broken_video_shows_the_problem_and_advice(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await page.set_input_files("input[type=file]", media / "broken.mp4")
    await expect(page.locator(".problem h2")).to_have_text(
        "This file is damaged and can't be opened"
    )
    await expect(page.locator(".advice")).to_contain_text("Export or download it again")


async def test_an_unknown_job_is_a_problem(open_page: OpenPage) -> None:
    page = await open_page("#/jobs/nothing-of-the-kind")
    await expect(page.locator(".problem h2")).to_have_text("Not found")


async def test_an_incomplete_result_warnings_and_a_cached_result_are_shown(
    open_page: OpenPage, media: Path
) -> None:
    """The response is modified in transit: this tests the console, not the worker."""
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    result = dict(job["result"])
    result |= {"complete": False, "warnings": ["<b>timestamps</b> were repaired"]}
    changed = job | {"result": result, "cached": True}
    await page.route("**/v1/jobs/*", lambda route: route.fulfill(json=changed))
    await page.reload()
    notices = page.locator(".notice")
    await expect(notices.nth(0)).to_contain_text("Only a part of this video could be read")
    await expect(notices.nth(1)).to_have_text("<b>timestamps</b> were repaired")
    await expect(notices.nth(2)).to_contain_text("analysed before")


async def test_a_dead_job_shows_its_problem_and_a_video_without_faces_its_explanation(
    open_page: OpenPage, media: Path
) -> None:
    """The responses are modified in transit, as above."""
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    problem_of = {
        "type": "urn:problem:deepfake-serving:upstream-unavailable",
        "title": "Upstream unavailable",
        "status": 503,
        "detail": "no model server responded",
    }
    dead = job | {"state": "dead", "result": None, "problem": problem_of, "attempt": 5}
    await page.route("**/v1/jobs/*", lambda route: route.fulfill(json=dead))
    await page.reload()
    await expect(page.locator(".problem h2")).to_have_text("A part of the service doesn't respond")
    await expect(page.locator(".notice.warn")).to_contain_text("without success")
    await page.unroute("**/v1/jobs/*")
    result = dict(job["result"])
    shots = [
        shot | {"tracks": [], "verdict": "no_face", "fake_probability": None}
        for shot in result["shots"]
    ]
    result |= {
        "verdict": "no_face",
        "fake_probability": None,
        "shots": shots,
        "uncertainty": None,
        "fake_frame_ratio": None,
    }
    faceless = job | {"result": result}
    await page.route("**/v1/jobs/*", lambda route: route.fulfill(json=faceless))
    await page.reload()
    await expect(page.locator(".verdict")).to_have_text("No face found")
    await expect(page.locator(".tracks")).to_contain_text("nothing was scored")


async def test_without_events_the_job_is_polled(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    await page.route("**/v1/jobs/*/events", lambda route: route.abort())
    await analyse_video(page, media / "shots.mp4")


async def test_a_long_job_shows_progress_and_can_be_cancelled(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    """The responses for a running job and for its cancellation are stubbed."""
    page = await open_page("#/video")
    job = await analyse_video(page, media / "shots.mp4")
    progress = {"stage": "analyse", "frames": 420, "percent": 42.0, "eta_s": 75.0}
    running = job | {"state": "running", "result": None, "progress": progress}
    state = {"job": running}

    async def respond(route: Route) -> None:
        if route.request.method == "DELETE":
            state["job"] = running | {"state": "cancelled"}
            await route.fulfill(status=202, json=state["job"])
        else:
            await route.fulfill(json=state["job"])

    async def events(route: Route) -> None:
        event = "end" if state["job"]["state"] == "cancelled" else "progress"
        body = f"event: {event}\ndata: {json.dumps(state['job'])}\n\n"
        await route.fulfill(content_type="text/event-stream", body=body)

    await page.route("**/v1/jobs/*", respond)
    await page.route("**/v1/jobs/*/events", events)
    await page.reload()
    await expect(page.locator(".progress-card")).to_contain_text(
        "42 % · 420 frames · about 1 min 15 s left"
    )
    assert await page.get_by_role("progressbar").get_attribute("value") == "42"
    await page.get_by_role("button", name="Cancel the analysis").click()
    await expect(page.locator(".notice")).to_contain_text("was cancelled")


async def test_an_upload_shows_its_progress_and_can_be_stopped(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")

    async def never_respond(_: Route) -> None:
        return None

    await page.route("**/v1/videos*", never_respond)
    await page.set_input_files("input[type=file]", media / "shots.mp4")
    await expect(page.locator(".progress-card")).to_contain_text("shots.mp4")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".notice")).to_have_text("The upload of shots.mp4 was stopped.")


async def test_an_overloaded_service_is_shown_and_the_upload_retried(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page("#/video")
    await page.route(
        "**/v1/videos*", problem_response("overloaded", "Overloaded", 429, "1000 jobs wait", 7)
    )
    await page.set_input_files("input[type=file]", media / "shots.mp4")
    await expect(page.locator(".advice")).to_contain_text("The service asks to wait 7 s.")
    await page.unroute("**/v1/videos*")
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_url("**/#/jobs/*")


async def test_cancelling_a_job_cancels_it_in_the_service(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    shutil.copy(media / "shots.mp4", tmp_path / "long.mp4")
    page = await open_page("#/video")
    await page.get_by_label("Frames").select_option("every:1")
    await page.get_by_label("Score of the video").select_option("confident")
    await submit_video(page, tmp_path / "long.mp4")
    await page.get_by_role("button", name="Cancel the analysis").click()
    await expect(page.locator(".notice")).to_contain_text("has no result. The service still stores")
    job_id = page.url.rsplit("/", 1)[1]
    response = await page.request.get(page.url.split("#")[0] + f"v1/jobs/{job_id}")
    assert (await response.json())["state"] == "cancelled"
