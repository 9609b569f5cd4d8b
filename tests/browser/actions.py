"""Page actions that several tests share: upload media, read the result."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, expect

from deepfake_serving.contracts.combination import combined_probability

LABELS = {
    "real": "Likely real",
    "suspicious": "Suspicious",
    "fake": "Likely fake",
    "no_face": "No face found",
}


async def open_panel(page: Page, panel: str) -> None:
    """Opens a panel by its tab; the previous panel's elements are gone when it returns."""
    await page.get_by_role("tab", name=panel).click()
    await expect(page.locator("h1")).to_have_text(panel)


async def analyse_image(page: Page, *files: Path) -> dict[str, Any]:
    """Chooses files in the Image or Batch panel; returns the response for the first."""
    async with page.expect_response("**/v1/images") as response:
        await page.set_input_files("input[type=file]", list(files))
    document: dict[str, Any] = await (await response.value).json()
    return document


async def submit_video(page: Page, file: Path) -> None:
    """Submits a video and waits for its job's page."""
    await page.set_input_files("input[type=file]", file)
    await page.wait_for_url("**/#/jobs/*")


async def analyse_video(page: Page, file: Path) -> dict[str, Any]:
    """Submits a video, waits for its verdict and returns the job from the API."""
    await submit_video(page, file)
    await expect(page.locator(".finding")).to_be_visible()
    job_id = page.url.rsplit("/", 1)[1]
    response = await page.request.get(page.url.split("#")[0] + f"v1/jobs/{job_id}")
    job: dict[str, Any] = await response.json()
    return job


def data_uri(jpeg: bytes) -> str:
    """Returns a JPEG as the service sends a copy of an image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def with_faces(verdict: dict[str, Any], scores: dict[float, str]) -> dict[str, Any]:
    """Returns a verdict of real faces with a worse one among them; `scores` are verdicts by it."""
    (face, *_) = verdict["faces"]
    faces = [face | {"fake_probability": p, "verdict": v} for p, v in scores.items()]
    combined = combined_probability(list(scores))
    return verdict | {"verdict": "real", "fake_probability": combined, "faces": faces}


def problem_response(
    slug: str, title: str, status: int, detail: str, retry_after_s: int | None = None
) -> Any:
    """Returns a route handler that responds with a problem, which a real service may never send."""
    document = {
        "type": f"urn:problem:deepfake-serving:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "id": "0123abcd",
    }
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}

    async def respond(route: Route) -> None:
        await route.fulfill(
            status=status,
            headers=headers,
            content_type="application/problem+json",
            body=json.dumps(document),
        )

    return respond


async def horizontal_overflow(page: Page) -> int:
    """Returns by how many pixels the page is wider than the window."""
    width: int = await page.evaluate(
        "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        " - document.documentElement.clientWidth"
    )
    return width
