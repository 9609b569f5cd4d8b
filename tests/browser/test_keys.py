"""The panel of API keys: their scopes, usage and rate limits, for admins."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.actions import horizontal_overflow, problem_response
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("width", [360, 1280])
async def test_every_key_is_shown_with_scopes_usage_and_rate(
    open_page: OpenPage, width: int
) -> None:
    page = await open_page("#/keys", width=width)
    cards = page.locator(".key-card")
    await expect(cards).to_have_count(3)
    team = cards.filter(has=page.get_by_role("heading", name="team-a"))
    for text in ("stream", "812 of 1,000", "700 MB", "20 min 34 s of 1 h 0 min", "37 of 100"):
        await expect(team).to_contain_text(text)
    await expect(team.get_by_role("meter")).to_have_count(3)
    chief = cards.filter(has=page.get_by_role("heading", name="chief"))
    await expect(chief).to_contain_text("admin")
    await expect(chief.get_by_role("meter")).to_have_count(0)
    gone = cards.filter(has=page.get_by_role("heading", name="gone"))
    await expect(gone).to_contain_text("No longer in the key file.")
    await expect(page.locator("pre")).to_contain_text("deepfake-serving key NAME")
    assert await horizontal_overflow(page) == 0


async def test_another_day_can_be_chosen(open_page: OpenPage) -> None:
    page = await open_page("#/keys")
    await expect(page.get_by_label("Day (UTC)")).to_have_value("2026-11-28")
    await page.get_by_label("Day (UTC)").fill("2026-11-27")
    await expect(page.locator(".key-card")).to_have_count(2)
    await expect(page.locator(".key-card").last).to_contain_text("0 of 1,000")


async def test_a_key_without_the_scope_is_refused_in_plain_words(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    refusal = problem_response("forbidden", "Forbidden", 403, "the API key lacks the scope 'admin'")
    await page.route("**/v1/keys", refusal)
    await page.goto(page.url.split("#")[0] + "#/keys")
    await expect(page.get_by_role("alert")).to_contain_text("lacks the scope 'admin'")


async def test_the_footer_links_the_panel_where_keys_are_required(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    link = page.locator("footer").get_by_role("link", name="API keys")
    await expect(page.locator("#service")).to_contain_text("0.1.0")
    await expect(link).to_be_hidden()
    info = await (await page.request.get(page.url.split("#")[0] + "v1/info")).json()
    await page.route("**/v1/info", lambda route: route.fulfill(json=info | {"auth": True}))
    await page.reload()
    await link.click()
    await expect(page.locator("h1")).to_have_text("API keys")


async def test_a_service_without_keys_says_so(open_page: OpenPage) -> None:
    page = await open_page("#/about")
    await page.route(
        "**/v1/keys", lambda route: route.fulfill(json={"required": False, "keys": []})
    )
    await page.goto(page.url.split("#")[0] + "#/keys")
    await expect(page.get_by_text("This service needs no API keys")).to_be_visible()
