"""What several tests do with a page: hand in media, read what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, expect

WORDS = {
    "real": "Likely real",
    "suspicious": "Suspicious",
    "fake": "Likely fake",
    "no_face": "No face found",
}


async def go(page: Page, panel: str) -> None:
    """Opens a panel by its tab; the former one's elements are gone when it returns."""
    await page.get_by_role("tab", name=panel).click()
    await expect(page.locator("h1")).to_have_text(panel)


async def judge(page: Page, *files: Path) -> dict[str, Any]:
    """Chooses files in the Image or the Batch panel; what the service answered about the first."""
    async with page.expect_response("**/v1/images") as answer:
        await page.set_input_files("input[type=file]", list(files))
    document: dict[str, Any] = await (await answer.value).json()
    return document


async def analyse(page: Page, file: Path) -> None:
    """Hands in a video and waits for its job's page."""
    await page.set_input_files("input[type=file]", file)
    await page.wait_for_url("**/#/jobs/*")


async def analysed(page: Page, file: Path) -> dict[str, Any]:
    """Hands in a video and waits for its verdict; the job as the service has it."""
    await analyse(page, file)
    await expect(page.locator(".finding")).to_be_visible(timeout=240_000)
    job_id = page.url.rsplit("/", 1)[1]
    reply = await page.request.get(page.url.split("#")[0] + f"v1/jobs/{job_id}")
    job: dict[str, Any] = await reply.json()
    return job


def problem(
    slug: str, title: str, status: int, detail: str, retry_after_s: int | None = None
) -> Any:
    """A route's handler that answers with a problem: what a test can't make a real service do."""
    document = {
        "type": f"urn:problem:deepfake-serving:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "id": "0123abcd",
    }
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}

    async def answer(route: Route) -> None:
        await route.fulfill(
            status=status,
            headers=headers,
            content_type="application/problem+json",
            body=json.dumps(document),
        )

    return answer


async def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    width: int = await page.evaluate(
        "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        " - document.documentElement.clientWidth"
    )
    return width
