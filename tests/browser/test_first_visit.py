"""The first visit: examples to try, and a tour that can be skipped and does not return."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("example", "verdict"),
    [("A real portrait", "Likely real"), ("The same, with a swapped face", "Likely fake")],
)
async def test_an_example_is_analysed_and_then_makes_room(
    open_page: OpenPage, example: str, verdict: str
) -> None:
    page = await open_page()
    await expect(page.get_by_text("by NASA (public domain)")).to_be_visible()
    await page.get_by_role("button", name=example).focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".finding")).to_contain_text(verdict)
    await expect(page.locator(".examples")).to_be_hidden()


async def test_the_tour_has_three_steps_by_keyboard_and_does_not_return(
    open_page: OpenPage,
) -> None:
    page = await open_page()
    for number, title in enumerate(("Choose a file", "Read the verdict", "Look closer"), start=1):
        await expect(page.locator(".tour h2")).to_contain_text(title)
        await expect(page.locator(".tour")).to_contain_text(f"Step {number} of 3")
        await page.get_by_role("button", name="Next" if number < 3 else "Done").focus()
        await page.keyboard.press("Enter")
        if number < 3:
            await expect(page.locator("#announcer")).to_contain_text(f"Step {number + 1} of 3")
    await expect(page.locator(".tour")).to_have_count(0)
    await expect(page.locator("#panel")).to_be_focused()
    await page.reload()
    await expect(page.locator(".examples")).to_be_visible()
    await expect(page.locator(".tour")).to_have_count(0)


async def test_a_skipped_tour_does_not_return(open_page: OpenPage) -> None:
    page = await open_page()
    await page.get_by_role("button", name="Skip the tour").click()
    await expect(page.locator(".tour")).to_have_count(0)
    await page.reload()
    await expect(page.locator(".examples")).to_be_visible()
    await expect(page.locator(".tour")).to_have_count(0)


async def test_the_tour_speaks_german(open_page: OpenPage) -> None:
    page = await open_page()
    await page.get_by_label("Language").select_option("de")
    await expect(page.locator(".tour h2")).to_have_text("Wählen Sie eine Datei oder ein Beispiel")
    await page.get_by_role("button", name="Tour überspringen").click()
    await expect(page.get_by_role("button", name="Ein echtes Porträt")).to_be_visible()
