"""Texts: one catalogue per language with the same keys, and no text outside of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.actions import analyse_image, analyse_video, problem_response
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_CATALOGUE = """async (tag) => {
  const base = document.querySelector('script[type=module]').src.replace('main.js', 'messages/');
  return (await import(`${base}${tag}/index.js`)).default;
}"""

_OUTSIDE = """() => {
  const data = "code, .name, option[lang], dd, time, .results-table button";
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!element.closest(`${data}, script, noscript`)) texts.push(walker.currentNode.textContent);
  }
  for (const element of document.querySelectorAll(":not(code, .results-table button)"))
    for (const name of ["aria-label", "placeholder", "title", "alt"])
      if (element.hasAttribute(name)) texts.push(element.getAttribute(name));
  texts.push(document.title);
  const rest = texts.map((text) => text.replace(/⟦[^⟦⟧]*⟧/g, "").trim());
  return rest.filter((text) => /\\p{L}{2}/u.test(text));
}"""
"""Texts of the page that are neither of the marked catalogue nor data: names, ids, figures."""


async def _catalogues(page: Page) -> dict[str, dict[str, Any]]:
    return {tag: await page.evaluate(_CATALOGUE, tag) for tag in ("en", "de")}


def _placeholders(message: str | dict[str, str]) -> set[str]:
    texts = [message] if isinstance(message, str) else list(message.values())
    return {name for text in texts for name in re.findall(r"\{(\w+)\}", text)}


async def test_all_languages_have_the_same_texts(open_page: OpenPage) -> None:
    catalogues = await _catalogues(await open_page())
    en, de = catalogues["en"], catalogues["de"]
    assert list(en) == list(de)
    for key, message in en.items():
        assert _placeholders(message) == _placeholders(de[key]), key
        assert type(message) is type(de[key]), key


async def test_the_language_of_the_browser_is_used_and_another_can_be_chosen(
    browser: Browser, console: str, media: Path
) -> None:
    context = await browser.new_context(locale="de-AT")
    page = await context.new_page()
    await page.goto(console)
    await expect(page.locator("h1")).to_have_text("Bild")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    verdict = await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".verdict")).to_have_text("Wahrscheinlich echt")
    score = f"{verdict['fake_probability']:.2f}".replace(".", ",")
    await expect(page.locator(".big-score strong")).to_have_text(score)
    await page.get_by_label("Sprache").select_option("en")
    await expect(page.locator("h1")).to_have_text("Image")
    await page.reload()
    await expect(page.get_by_role("tab", name="History")).to_be_visible()
    await context.close()


async def test_warnings_of_the_service_are_in_the_language_of_the_page(
    browser: Browser, console: str, media: Path
) -> None:
    """The response is modified in transit. A sentence that the page does not know stays."""
    context = await browser.new_context(locale="de-DE")
    page = await context.new_page()
    await page.goto(console)
    original = await analyse_image(page, media / "astronaut.jpg")
    warnings = [
        "only the first frame of the image was analysed",
        "the image is cut short: 64% of its lines were read",
        "the image has 12000 x 9000 pixels, over the limit of 50000000: it was analysed at half "
        "its width and height",
        "only the 64 largest of 70 faces were analysed",
        "faces seen too briefly to be scored: 1",
        "the first 1.8 s of the video cannot be decoded",
        "the video breaks off after 2.1 of 4.1 s",
        "the video is damaged: 3 parts could not be decoded",
        "a sentence of a later version",
    ]
    await page.route(
        "**/v1/images", lambda route: route.fulfill(json=original | {"warnings": warnings})
    )
    await analyse_image(page, media / "astronaut.jpg")
    notices = page.locator(".result .notice.warn")
    await expect(notices).to_have_count(len(warnings))
    texts = await notices.all_text_contents()
    assert texts[-1] == warnings[-1]
    assert not set(texts[:-1]) & set(warnings)
    assert texts[1] == "Dieses Bild ist abgeschnitten: 64 % davon konnten gelesen werden."
    assert texts[4] == "1 Gesicht war zu kurz zu sehen, um bewertet zu werden."
    assert texts[6] == "Dieses Video bricht nach 2,1 von 4,1 Sekunden ab."
    await context.close()


async def test_details_of_problems_are_in_the_language_of_the_page(
    browser: Browser, console: str, media: Path
) -> None:
    context = await browser.new_context(locale="de-DE")
    page = await context.new_page()
    await page.goto(console)
    texts = {
        "the image has 9248 x 6936 pixels; the limit is 50000000": (
            "Es hat 9.248 × 6.936 Pixel; dieser Dienst nimmt Bilder bis 50.000.000 Pixel."
        ),
        "the image has 40000000 bytes; the limit is 33554432": (
            "Die Datei hat 38\u00a0MB; dieser Dienst nimmt bis 32\u00a0MB."
        ),
        "this is a video, not an image; videos go to /v1/videos": (
            "Das ist ein Video, kein Bild: Wählen Sie es unter „Video“."
        ),
        "a sentence of a later version": "a sentence of a later version",
    }
    for sentence, text in texts.items():
        await page.unroute_all()
        await page.route(
            "**/v1/images", problem_response("too-many-pixels", "Too many pixels", 422, sentence)
        )
        await page.set_input_files("input[type=file]", media / "astronaut.jpg")
        await expect(page.locator(".problem .detail")).to_have_text(text)
    await context.close()


async def _mark(page: Page) -> None:
    """Puts every text of the catalogue into marks, and reloads."""
    catalogue = (await _catalogues(page))["en"]

    def marked(message: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(message, dict):
            return {form: str(marked(text)) for form, text in message.items()}
        return "⟦" + re.sub(r"(\{\w+\})", r"⟧\1⟦", message) + "⟧"

    script = "export default " + json.dumps({key: marked(text) for key, text in catalogue.items()})

    async def respond(route: Route) -> None:
        await route.fulfill(content_type="text/javascript; charset=utf-8", body=script)

    await page.route("**/messages/en/index.js", respond)
    await page.reload()
    await expect(page.locator("h1")).to_contain_text("⟦")


_NAMES = r"astronaut\.jpg|shots\.mp4|notes\.txt|https://…|deepfake-serving|detector|ensemble"
_FIGURES = r"[\d.]+\s[KMG]?B|\d+ × \d+ px|\w{3} \d+, \d{4}"
_LISTS = r"[,.\s]*or[,.\s]*$"  # of Intl.ListFormat


async def _outside(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(_OUTSIDE)
    return [text for text in found if not re.match(f"{_NAMES}|{_FIGURES}|{_LISTS}", text)]


async def test_no_text_is_outside_of_the_catalogue(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await _mark(page)
    for panel in ("image", "batch", "video", "live", "history", "about", "keys", "nothing"):
        await page.goto(page.url.split("#")[0] + f"#/{panel}")
        await page.wait_for_timeout(200)  # info arrives
        assert await _outside(page) == [], panel


async def test_no_text_of_results_is_outside_of_the_catalogue(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await _mark(page)
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await page.locator("summary").click()
    assert await _outside(page) == []
    await page.goto(page.url.split("#")[0] + "#/batch")
    names = [media / name for name in ("astronaut.jpg", "notes.txt")]
    await page.set_input_files("input[type=file]", names)
    await expect(page.locator("tbody .badge")).to_have_count(2)
    outside = await _outside(page)
    assert [text for text in outside if "is not a supported image" not in text] == []
    await page.goto(page.url.split("#")[0] + "#/video")
    await analyse_video(page, media / "shots.mp4")
    assert await _outside(page) == []


async def test_the_page_shows_the_texts_of_the_catalogue_before_scripts_run(
    open_page: OpenPage, console: str
) -> None:
    page = await open_page()
    catalogue = (await _catalogues(page))["en"]
    html = await (await page.request.get(console + "/")).text()
    for key, text in re.findall(r'data-text="([^"]+)"[^>]*>([^<]+)<', html):
        assert text == catalogue[key]
