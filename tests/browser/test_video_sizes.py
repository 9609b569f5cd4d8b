"""A video whose frames change their size midway: not stretched, and with the boxes in place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import skimage.data
from playwright.async_api import Page, Route, expect

from tests.browser.actions import analyse_video
from tests.browser.conftest import OpenPage
from tests.browser.media import write_growing_video

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUARTER = {"left": "25%", "top": "25%", "width": "25%", "height": "25%"}


def growing(job: dict[str, Any], sizes: list[tuple[int, int]]) -> dict[str, Any]:
    """Returns a job of such a video, with the same box in each second, relative to the frame."""
    shot = job["result"]["shots"][0]
    frames = [
        {"t_s": t + 0.5, "box": [w / 4, h / 4, w / 2, h / 2], "fake_probability": 0.2}
        for t, (w, h) in enumerate(sizes)
    ]
    track = shot["tracks"][0] | {"frames": frames}
    shots = [shot | {"start_s": 0.0, "end_s": float(len(sizes)), "tracks": [track]}]
    (width, height), *_ = sizes
    changes = {"shots": shots, "width": width, "height": height, "duration_s": float(len(sizes))}
    return job | {"result": job["result"] | changes}


async def respond(route: Route, data: bytes) -> None:
    """Responds with the rest of a video from the requested byte on, as seeking needs it."""
    start = int((route.request.headers.get("range") or "bytes=0-")[6:].partition("-")[0])
    headers = {
        "Content-Type": "video/webm",
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
    }
    await route.fulfill(status=206, headers=headers, body=data[start:])


async def shown(page: Page, seconds: float) -> tuple[float, float]:
    """Seeks; returns width through height of the overlay, as declared and as laid out."""
    await page.evaluate(
        """seconds => new Promise((resolve) => {
          const video = document.querySelector("video");
          video.addEventListener("seeked", () => requestAnimationFrame(resolve), { once: true });
          video.currentTime = seconds;
        })""",
        seconds,
    )
    box = await page.locator(".face-overlay").first.bounding_box()
    assert box is not None
    declared = await page.locator(".face-overlay").first.evaluate(
        "e => Number(e.style.getPropertyValue('--ratio'))"
    )
    return float(declared), box["width"] / box["height"]


@pytest.mark.parametrize("sizes", [[(320, 240), (240, 320)], [(320, 240), (640, 360), (320, 240)]])
async def test_boxes_follow_the_size_of_the_frames(
    sizes: list[tuple[int, int]], open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    path = tmp_path / "growing.webm"
    write_growing_video(path, skimage.data.astronaut(), sizes)
    page = await open_page("#/video")
    changed = growing(await analyse_video(page, media / "shots.mp4"), sizes)
    await page.route("**/v1/jobs/*", lambda route: route.fulfill(json=changed))
    await page.route("**/v1/jobs/*/media", partial(respond, data=path.read_bytes()))
    await page.reload()
    await page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    box = page.locator(".face-overlay .box")
    for second, (width, height) in enumerate(sizes):
        declared, laid_out = await shown(page, second + 0.5)
        await expect(box).to_have_count(1)
        style = await box.evaluate("e => e.style.cssText")
        assert all(f"{name}: {value}" in style for name, value in QUARTER.items()), style
        assert declared == pytest.approx(width / height, abs=0.01)
        assert laid_out == pytest.approx(width / height, abs=0.02), "the frame is not stretched"
