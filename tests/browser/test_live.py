"""The Live panel with Chromium's fake camera, which plays a file; and without a camera."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.asking import go
from tests.browser.conftest import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_camera_is_judged_live_until_it_is_stopped(opened: Opener) -> None:
    page = await opened("#/live")
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".stage .box")).to_have_count(1, timeout=60_000)
    await expect(page.locator(".trace .dots circle").nth(4)).to_be_attached(timeout=60_000)
    await expect(page.locator(".facts")).to_contain_text(re.compile(r"\d+ sent, \d+ dropped"))
    await expect(page.locator(".facts")).to_contain_text(re.compile(r"0\.\d\d"))
    assert await page.locator("video").evaluate("v => v.srcObject.active") is True
    stream = await page.evaluate_handle("document.querySelector('video').srcObject")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert await stream.evaluate("s => s.active") is False


async def test_leaving_the_panel_gives_the_camera_back(opened: Opener) -> None:
    page = await opened("#/live")
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".trace .dots circle").first).to_be_attached(timeout=60_000)
    stream = await page.evaluate_handle("document.querySelector('video').srcObject")
    await go(page, "Image")
    await expect(page.get_by_role("heading", name="Image")).to_be_visible()
    assert await stream.evaluate("s => s.active") is False


async def test_no_more_than_two_frames_are_under_way(opened: Opener) -> None:
    page = await opened("#/live")
    frames: list[bytes | str] = []

    async def silent(socket: WebSocketRoute) -> None:
        socket.on_message(lambda frame: frames.append(frame))

    await page.route_web_socket("**/v1/stream", silent)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".stage video")).to_be_visible()
    await page.wait_for_timeout(1000)  # that a third is not sent can only be waited for
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
async def test_why_there_is_no_camera_is_explained(opened: Opener, error: str, title: str) -> None:
    """The refusal is made up: the fake camera is always there and always allowed."""
    page = await opened("#/live")
    await page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('made up', name)) }",
        error,
    )
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".problem h2")).to_have_text(title)
    await expect(page.locator(".advice")).to_contain_text("What to do")
    await expect(page.get_by_role("button", name="Start the camera")).to_be_visible()


async def test_a_stream_that_is_refused_shows_its_problem(opened: Opener) -> None:
    page = await opened("#/live")
    refusal = (
        '{"problem": {"type": "urn:problem:deepfake-serving:overloaded", "title": "Overloaded",'
        ' "status": 429, "detail": "32 streams are open; that is the bound"}}'
    )

    async def refuse(socket: WebSocketRoute) -> None:
        socket.send(refusal)
        await socket.close(code=1013, reason="Overloaded")

    await page.route_web_socket("**/v1/stream", refuse)
    await page.get_by_role("button", name="Start the camera").click()
    await expect(page.locator(".problem h2")).to_have_text("Overloaded")
