"""The Live panel with Chromium's fake camera, which plays a file; and without a camera."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.actions import open_panel
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_camera_is_analysed_until_it_is_stopped(open_page: OpenPage) -> None:
    page = await open_page("#/live")
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".face-overlay .box")).to_have_count(1)
    await expect(page.locator(".score-trace .dots circle").nth(4)).to_be_attached()
    await expect(page.locator(".facts")).to_contain_text(re.compile(r"\d+ sent, \d+ dropped"))
    await expect(page.locator(".facts")).to_contain_text(re.compile(r"0\.\d\d"))
    assert await page.locator("video").evaluate("v => v.srcObject.active") is True
    stream = await page.evaluate_handle("document.querySelector('video').srcObject")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert await stream.evaluate("s => s.active") is False
    await expect(page.locator(".live-now")).to_have_text("Stopped.")
    await expect(page.locator(".face-overlay .box")).to_have_count(0)


async def test_the_headline_is_the_smoothed_score(open_page: OpenPage) -> None:
    page = await open_page("#/live")

    async def respond(socket: WebSocketRoute) -> None:
        verdict = {
            "verdict": "fake", "fake_probability": 0.91, "width": 640, "height": 480, "faces": [],
            "model": {"name": "detector", "version": "1", "digest": None, "trained": True},
        }  # fmt: skip
        message = {"frame": 1, "verdict": verdict, "smoothed": 0.12, "dropped": 0, "problem": None}
        socket.on_message(lambda _: socket.send(json.dumps(message)))

    await page.route_web_socket("**/v1/stream*", respond)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".live-now")).to_contain_text("Likely real")
    await expect(page.locator(".live-now")).to_contain_text("0.12")
    await expect(page.locator(".facts")).to_contain_text("0.91")
    await expect(page.locator(".live-caution")).to_contain_text("This isn't proof of authenticity")
    await expect(page.locator(".live-caution")).to_contain_text("Not looked for: ")


async def test_a_face_that_is_worse_than_the_frame_is_named(open_page: OpenPage) -> None:
    page = await open_page("#/live")
    face = {"box": [10, 10, 90, 90], "landmarks": [], "detection_confidence": 1.0, "models": {}}
    faces = [
        face | {"fake_probability": p, "verdict": verdict}
        for p, verdict in ((0.05, "real"), (0.45, "suspicious"), (0.06, "real"))
    ]

    async def respond(socket: WebSocketRoute) -> None:
        verdict = {
            "verdict": "real", "fake_probability": 0.3, "width": 640, "height": 480,
            "faces": faces,
            "model": {"name": "detector", "version": "1", "digest": None, "trained": True},
        }  # fmt: skip
        message = {"frame": 1, "verdict": verdict, "smoothed": 0.3, "dropped": 0, "problem": None}
        socket.on_message(lambda _: socket.send(json.dumps(message)))

    await page.route_web_socket("**/v1/stream*", respond)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".live-caution .standouts")).to_contain_text("1 face is suspicious")
    await expect(page.locator(".live-caution")).to_contain_text("Taken together")
    await expect(page.locator("#announcer")).to_contain_text("1 face is suspicious")


async def test_a_camera_that_is_disconnected_ends_the_session(open_page: OpenPage) -> None:
    """The loss is simulated: the fake camera stays."""
    page = await open_page("#/live")
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".score-trace .dots circle").first).to_be_attached()
    await page.locator("video").evaluate(
        "video => video.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))"
    )
    await expect(page.locator(".problem h2")).to_have_text("The camera is gone")
    await expect(page.get_by_role("button", name="Start the camera")).to_be_visible()


async def test_leaving_the_panel_releases_the_camera(open_page: OpenPage) -> None:
    page = await open_page("#/live")
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".score-trace .dots circle").first).to_be_attached()
    stream = await page.evaluate_handle("document.querySelector('video').srcObject")
    await open_panel(page, "Image")
    await expect(page.get_by_role("heading", name="Image")).to_be_visible()
    assert await stream.evaluate("s => s.active") is False


async def test_at_most_two_frames_are_in_flight(open_page: OpenPage) -> None:
    page = await open_page("#/live")
    frames: list[bytes | str] = []

    async def silent(socket: WebSocketRoute) -> None:
        socket.on_message(lambda frame: frames.append(frame))

    await page.route_web_socket("**/v1/stream", silent)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".face-overlay video")).to_be_visible()
    await page.wait_for_timeout(1000)  # time in which a third frame would be sent
    assert len(frames) == 2
    assert all(isinstance(frame, bytes) and frame[:2] == b"\xff\xd8" for frame in frames)


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("NotAllowedError", "The camera was not allowed"),
        ("NotFoundError", "No camera found"),
        ("NotReadableError", "The camera can't be used"),
    ],
)
async def test_a_missing_camera_is_explained(open_page: OpenPage, error: str, title: str) -> None:
    """The refusal is simulated: the fake camera always exists and is always allowed."""
    page = await open_page("#/live")
    await page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('simulated', name)) }",
        error,
    )
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".problem h2")).to_have_text(title)
    await expect(page.locator(".advice")).to_contain_text("What to do")
    await expect(page.get_by_role("button", name="Start the camera")).to_be_visible()


async def test_a_refused_stream_shows_its_problem(open_page: OpenPage) -> None:
    page = await open_page("#/live")
    refusal = (
        '{"problem": {"type": "urn:problem:deepfake-serving:overloaded", "title": "Overloaded",'
        ' "status": 429, "detail": "32 streams are open; that is the limit"}}'
    )

    async def refuse(socket: WebSocketRoute) -> None:
        socket.send(refusal)
        await socket.close(code=1013, reason="Overloaded")

    await page.route_web_socket("**/v1/stream", refuse)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".problem h2")).to_have_text("The service is busy")
