"""The whole page: tabs, colours, phones, keyboard, API keys and hostile text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, Route, expect

from tests.browser.actions import (
    analyse_image,
    analyse_video,
    horizontal_overflow,
    open_panel,
    problem_response,
)
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

PANELS = ("image", "batch", "video", "live", "history", "about", "keys", "nothing")
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


async def _rgb(page: Page, selector: str, property_name: str) -> list[int]:
    value = await page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{property_name}")
    return [int(float(part)) for part in re.findall(r"[\d.]+", value)[:3]]


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("panel", PANELS)
async def test_each_panel_has_a_heading_and_is_no_wider_than_the_window(
    open_page: OpenPage, panel: str, width: int
) -> None:
    page = await open_page(f"#/{panel}", width=width)
    await expect(page.locator("h1")).to_be_visible()
    assert await horizontal_overflow(page) == 0


async def test_results_are_no_wider_than_a_phone(open_page: OpenPage, media: Path) -> None:
    page = await open_page("", width=360, height=740)
    await analyse_image(page, media / "group.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    assert await horizontal_overflow(page) == 0
    await open_panel(page, "Batch")
    await page.set_input_files("input[type=file]", [media / "group.jpg", media / "notes.txt"])
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()
    assert await horizontal_overflow(page) == 0
    await open_panel(page, "Video")
    await analyse_video(page, media / "shots.mp4")
    assert await horizontal_overflow(page) == 0
    await open_panel(page, "History")
    await expect(page.locator("tbody tr").first).to_be_visible()
    assert await horizontal_overflow(page) == 0


async def test_colours_follow_the_system_until_the_user_chooses(open_page: OpenPage) -> None:
    page = await open_page(dark=True)
    assert max(await _rgb(page, "body", "backgroundColor")) < 60
    await page.get_by_role("button", name="Use light colours").click()
    assert min(await _rgb(page, "body", "backgroundColor")) > 200
    await page.reload()
    await expect(page.get_by_role("button", name="Use dark colours")).to_be_visible()
    assert min(await _rgb(page, "body", "backgroundColor")) > 200


_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const excluded = "svg, .visually-hidden, option, :disabled";
    if (!text || !element.checkVisibility() || element.closest(excluded)) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("dark", [False, True])
async def test_every_text_has_the_contrast_that_wcag_requires(
    open_page: OpenPage, media: Path, dark: bool
) -> None:
    """4.5 : 1, WCAG 2.2, success criterion 1.4.3."""
    page = await open_page(dark=dark)
    await analyse_image(page, media / "group.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    assert await page.evaluate(_CONTRAST) == []
    await open_panel(page, "Batch")
    await page.set_input_files("input[type=file]", [media / "coffee.jpg", media / "notes.txt"])
    await expect(page.get_by_text("2 of 2 finished")).to_be_visible()
    assert await page.evaluate(_CONTRAST) == []
    await page.goto(page.url.split("#")[0] + "#/about")
    await expect(page.get_by_role("heading", name="Is a score proof?")).to_be_visible()
    assert await page.evaluate(_CONTRAST) == []


async def test_arrow_keys_move_between_tabs(open_page: OpenPage) -> None:
    page = await open_page()
    await page.get_by_role("tab", name="Image").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Batch")).to_be_focused()
    await expect(page.get_by_role("tab", name="Batch")).to_have_attribute("aria-selected", "true")
    await expect(page.locator("h1")).to_have_text("Batch")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("h1")).to_have_text("History")
    await page.keyboard.press("Home")
    await expect(page.locator("h1")).to_have_text("Image")


async def _tab_to(page: Page, selector: str) -> None:
    """Presses Tab until an element that matches has the focus."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab never reached {selector}")


async def _choose(page: Page, file: Path) -> None:
    """Chooses a file by keyboard. The chooser is awaited early, as Chromium reports it late."""
    async with page.expect_file_chooser() as chooser:
        await _tab_to(page, "input[type=file]")
        outline = await page.locator(".drop-zone").evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
    await (await chooser.value).set_files(file)


async def test_the_image_panel_works_by_keyboard_alone(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    await _choose(page, media / "group.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    await _tab_to(page, ".faces li")
    await expect(page.locator(".box.highlighted")).to_have_count(1)
    await _tab_to(page, "summary")
    await page.keyboard.press("Enter")
    await expect(page.locator("details[open]")).to_have_count(1)


async def test_the_video_panel_works_by_keyboard_alone(open_page: OpenPage, media: Path) -> None:
    page = await open_page("#/video")
    await _choose(page, media / "shots.mp4")
    await expect(page.locator(".finding")).to_be_visible()
    await page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    await _tab_to(page, "[role=slider]")
    await page.keyboard.press("PageDown")
    await page.wait_for_function("() => document.querySelector('video').currentTime > 1")
    await _tab_to(page, ".shot-button[aria-pressed=false]")
    chosen = await page.evaluate("document.activeElement.querySelector('.shot-name').textContent")
    await page.keyboard.press("Enter")
    await expect(page.locator(".tracks h3")).to_have_text(f"Faces of {chosen.lower()}")


async def test_landmarks_and_names_exist_for_screen_readers(open_page: OpenPage) -> None:
    page = await open_page("#/video")
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        await expect(page.locator(landmark)).to_have_count(1)
    unnamed = await page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, a')]"
        ".filter((e) => !(e.textContent.trim() || e.labels?.length"
        " || e.getAttribute('aria-label'))).map((e) => e.outerHTML)"
    )
    assert unnamed == []


async def _require_key(page: Page, key: str) -> list[str]:
    """Requires an API key by a stub before the service; returns the URLs sent with the key."""
    authorized: list[str] = []
    refuse = problem_response("unauthorized", "Unauthorized", 401, "an API key is needed")

    async def check(route: Route) -> None:
        sent = await route.request.header_value("Authorization")
        if sent != f"Bearer {key}":
            await refuse(route)
        else:
            authorized.append(route.request.url)
            await route.continue_()

    await page.route("**/v1/**", check)
    return authorized


async def test_the_api_key_is_prompted_for_kept_per_tab_and_sent_with_every_request(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    authorized = await _require_key(page, "s3cret")
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    dialog = page.get_by_role("dialog", name="An API key is needed")
    await dialog.get_by_label("API key").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_label("API key")).to_have_value("")
    await dialog.get_by_label("API key").fill("s3cret")
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(page.locator(".finding")).to_be_visible()
    await open_panel(page, "Video")
    await analyse_with_key(page, media)
    sent = " ".join(authorized)
    for part in ("/v1/images", "/v1/videos", "/events", "/gallery/", "/media"):
        assert part in sent
    await page.get_by_role("button", name="Forget the API key").click()
    assert await page.evaluate("sessionStorage.length") == 0


async def analyse_with_key(page: Page, media: Path) -> None:
    await page.set_input_files("input[type=file]", media / "shots.mp4")
    await expect(page.locator(".finding")).to_be_visible()
    await page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    await page.wait_for_function(
        "() => [...document.querySelectorAll('.frame-button img')].every((i) => i.naturalWidth)"
    )
    source = await page.locator("video").get_attribute("src")
    assert source is not None
    assert source.startswith("blob:")


async def test_cancelling_the_key_prompt_shows_the_problem(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await _require_key(page, "s3cret")
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(page.locator(".problem h2")).to_have_text("An API key is needed")


async def test_hostile_names_and_details_are_escaped(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    page = await open_page()
    name = HOSTILE.replace("/", "") + ".jpg"
    image = (media / "astronaut.jpg").read_bytes()
    good = FilePayload(name=name, mimeType="image/jpeg", buffer=image)
    bad = FilePayload(name=name, mimeType="image/jpeg", buffer=b"no image")
    await page.set_input_files("input[type=file]", good)
    await expect(page.locator("figcaption .name")).to_have_text(name)
    await open_panel(page, "Batch")
    await page.set_input_files("input[type=file]", bad)
    await expect(page.locator("tbody .name")).to_have_text(name)
    await page.goto(page.url.split("#")[0] + f"#/jobs/{HOSTILE}")
    await expect(page.locator(".problem")).to_be_visible()
    await open_panel(page, "Image")
    await page.route("**/v1/images", problem_response("internal", HOSTILE, 500, HOSTILE))
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await expect(page.locator(".problem .detail")).to_have_text(HOSTILE)
    await page.unroute("**/v1/images")
    await page.get_by_label("URL").fill(f"https://nowhere.invalid/{HOSTILE}")
    await page.get_by_role("button", name="Fetch URL").click()
    await expect(page.locator(".problem h2")).to_have_text("This address can't be reached")
    await open_panel(page, "History")
    await expect(page.get_by_role("link", name=name)).to_have_count(1)
    assert await page.locator("img[src=x]").count() == 0
    assert await page.title() != "owned"


async def test_the_content_security_policy_blocks_other_scripts(
    open_page: OpenPage, console: str
) -> None:
    page = await open_page()
    response = await page.request.get(console + "/")
    policy = response.headers["content-security-policy"]
    for rule in ("script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy


async def test_nothing_is_loaded_from_other_hosts(
    open_page: OpenPage, console: str, media: Path
) -> None:
    page = await open_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.reload()
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator("#service")).to_have_text(re.compile(r"deepfake-serving \d"))
    assert [url for url in requested if not url.startswith((console, "blob:", "data:"))] == []
    assert len(requested) > 20
