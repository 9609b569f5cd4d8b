"""The Image panel: files, clipboard, URLs, boxes, texts, failures."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Route, expect

from deepfake_serving.contracts.problems import BY_TYPE
from tests.browser.actions import (
    LABELS,
    analyse_image,
    data_uri,
    open_panel,
    problem_response,
    with_faces,
)
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_DISPATCH = """([kind, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(kind === "paste" ? "body" : ".drop-zone").dispatchEvent(event);
}"""


async def test_a_chosen_image_is_shown_with_its_verdict_and_a_box_on_each_face(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".verdict")).to_have_text(LABELS[verdict["verdict"]])
    assert len(verdict["faces"]) == 1
    score = f"{verdict['fake_probability']:.2f}"
    await expect(page.locator(".big-score strong")).to_have_text(score)
    await expect(page.locator(".faces li")).to_contain_text(score)
    await expect(page.locator(".box .tag")).to_contain_text(score)
    await expect(page.locator("#announcer")).to_contain_text(LABELS[verdict["verdict"]])


async def test_the_box_covers_the_face_at_the_displayed_size(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page(width=700)
    verdict = await analyse_image(page, media / "astronaut.jpg")
    image = await page.locator(".face-overlay img").bounding_box()
    box = await page.locator(".box").bounding_box()
    assert image is not None
    assert box is not None
    scale = image["width"] / verdict["width"]
    x1, y1, x2, y2 = verdict["faces"][0]["box"]
    assert box["x"] - image["x"] == pytest.approx(x1 * scale, abs=1.5)
    assert box["y"] - image["y"] == pytest.approx(y1 * scale, abs=1.5)
    assert box["width"] == pytest.approx((x2 - x1) * scale, abs=1.5)
    assert box["height"] == pytest.approx((y2 - y1) * scale, abs=1.5)


@pytest.mark.parametrize("kind", ["drop", "paste"])
async def test_a_dropped_or_pasted_image_is_analysed(
    open_page: OpenPage, media: Path, kind: str
) -> None:
    page = await open_page()
    data = base64.b64encode((media / "astronaut.jpg").read_bytes()).decode()
    async with page.expect_response("**/v1/images"):
        await page.evaluate(_DISPATCH, [kind, "astronaut.jpg", data])
    await expect(page.locator(".finding")).to_be_visible()
    await expect(page.locator("figcaption")).to_contain_text("astronaut.jpg")


async def test_no_face_is_explained_as_not_meaning_real(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "coffee.jpg")
    assert verdict["verdict"] == "no_face"
    await expect(page.locator(".verdict")).to_have_text("No face found")
    await expect(page.locator(".finding")).to_contain_text("This doesn't mean “real”")
    await expect(page.locator(".meter")).to_have_count(0)


async def test_selecting_a_listed_face_highlights_its_box(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "group.jpg")
    assert len(verdict["faces"]) == 3
    highlighted = re.compile(r"\bhighlighted\b")
    for place in range(3):
        await page.locator(".faces li").nth(place).focus()
        await expect(page.locator(".box.highlighted")).to_have_count(1)
        await expect(page.locator(".box").nth(place)).to_have_class(highlighted)
    await page.locator(".faces li").nth(0).hover()
    await expect(page.locator(".box").nth(0)).to_have_class(highlighted)


async def test_a_model_without_trained_weights_shows_a_warning(
    open_page: OpenPage, media: Path
) -> None:
    """The response is modified in transit, as a stack serves only one kind of model."""
    page = await open_page()
    original = await analyse_image(page, media / "astronaut.jpg")
    untrained = original | {"model": original["model"] | {"trained": False}}
    await page.route("**/v1/images", lambda route: route.fulfill(json=untrained))
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".notice.warn")).to_contain_text("This model is untrained.")


async def test_a_small_face_has_a_caveat(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    original = await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".small-face")).to_have_count(0)
    (face,) = original["faces"]
    small = face | {"box": [10, 10, 82, 98]}
    await page.route(
        "**/v1/images", lambda route: route.fulfill(json=original | {"faces": [face, small]})
    )
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".faces li").nth(1)).to_contain_text("a fake is easily missed")
    await expect(page.locator(".small-face")).to_have_count(1)


async def test_a_face_that_is_worse_than_the_image_is_named_beside_its_verdict(
    open_page: OpenPage, media: Path
) -> None:
    """The response is modified in transit, to what a group with one suspicious face gets."""
    page = await open_page()
    original = await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".standouts")).to_have_count(0)
    mixed_faces = with_faces(original, {0.05: "real", 0.06: "real", 0.45: "suspicious"})
    await page.route("**/v1/images", lambda route: route.fulfill(json=mixed_faces))
    await analyse_image(page, media / "astronaut.jpg")
    finding = page.locator(".finding")
    await expect(finding.locator(".standouts")).to_contain_text("1 face is suspicious by itself")
    await expect(finding).to_contain_text("Taken together, the faces give no sign of")
    await expect(finding).not_to_contain_text("The model saw no sign")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download report").click()
    report = json.loads((await (await download.value).path()).read_text())
    assert any("suspicious by itself" in text for text in report["verdict"]["explanation"])


async def test_warnings_of_a_response_are_shown(open_page: OpenPage, media: Path) -> None:
    """The response is modified in transit, to what an animated image gets."""
    page = await open_page()
    original = await analyse_image(page, media / "astronaut.jpg")
    warning = "only the first of 12 frames was analysed; upload the file as a video"
    await page.route(
        "**/v1/images", lambda route: route.fulfill(json=original | {"warnings": [warning]})
    )
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".result .notice.warn")).to_have_text([warning])


async def test_model_timings_and_json_are_available(open_page: OpenPage, media: Path) -> None:
    page = await open_page()
    verdict = await analyse_image(page, media / "astronaut.jpg")
    await page.get_by_text("Model and timings").click()
    await expect(page.locator("details")).to_contain_text(verdict["model"]["name"])
    await expect(page.locator("details")).to_contain_text(verdict["model"]["digest"][:19])
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download JSON").click()
    assert (await download.value).suggested_filename == "astronaut-verdict.json"
    assert await page.title() == "astronaut.jpg · Deepfake console"
    saved = await (await download.value).path()
    assert json.loads(saved.read_text()) == verdict
    await page.get_by_role("button", name="Copy JSON").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(await page.evaluate("navigator.clipboard.readText()")) == verdict


async def test_an_image_of_a_url_is_shown_as_the_service_saw_it(
    open_page: OpenPage, media: Path
) -> None:
    """The response is stubbed: no public address is reliable in a test."""
    page = await open_page()
    original = await analyse_image(page, media / "astronaut.jpg")

    async def fetched(route: Route) -> None:
        assert route.request.post_data_json == {"url": "https://media.example/a.jpg"}
        await route.fulfill(json=original | {"preview": preview})

    preview = data_uri((media / "astronaut.jpg").read_bytes())
    await page.route("**/v1/images?preview=true", fetched)
    await page.get_by_label("URL").fill("https://media.example/a.jpg")
    await page.get_by_role("button", name="Fetch URL").click()
    await expect(page.locator("figcaption")).to_contain_text("your browser did not")
    await expect(page.locator(".faces li")).to_have_count(1)
    await expect(page.locator(".face-overlay .box")).to_have_count(1)
    size = "image => [image.naturalWidth, image.naturalHeight]"
    assert await page.locator(".face-overlay img").evaluate(size) == [512, 512]


async def test_a_narrow_box_has_the_number_of_its_face_alone(
    open_page: OpenPage, media: Path
) -> None:
    """Scores would cover the faces beside it. That of the chosen face is shown."""
    page = await open_page(width=390)
    original = await analyse_image(page, media / "astronaut.jpg")
    (face, *_) = original["faces"]
    faces = [face | {"box": [x, 200, x + 40, 250]} for x in range(20, 500, 60)]
    await page.route("**/v1/images", lambda route: route.fulfill(json=original | {"faces": faces}))
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    tags = page.locator(".box .tag")
    await expect(tags).to_have_count(len(faces))
    await expect(tags.nth(2)).to_have_text("3", use_inner_text=True)
    await page.locator(".faces li").nth(2).focus()
    score = f"{face['fake_probability']:.2f}"
    await expect(tags.nth(2)).to_contain_text(score, use_inner_text=True)
    await expect(tags.nth(3)).to_have_text("4", use_inner_text=True)


async def test_an_image_that_the_browser_cannot_show_is_the_copy_of_the_service(
    open_page: OpenPage, media: Path, tmp_path: Path
) -> None:
    """A TIFF. Its copy may be smaller: boxes are where they are in the file."""
    with Image.open(media / "astronaut.jpg") as image:
        image.save(tmp_path / "astronaut.tif")
    page = await open_page()
    async with page.expect_response("**/v1/images?preview=true") as response:
        await page.set_input_files("input[type=file]", tmp_path / "astronaut.tif")
    [face] = (await (await response.value).json())["faces"]
    await expect(page.locator("figcaption")).to_contain_text("can't show this format")
    shown = await page.locator(".face-overlay img").bounding_box()
    box = await page.locator(".face-overlay .box").bounding_box()
    assert shown is not None
    assert box is not None
    assert (box["x"] - shown["x"]) / shown["width"] == pytest.approx(face["box"][0] / 512, abs=0.01)
    assert (box["y"] - shown["y"]) / shown["height"] == pytest.approx(
        face["box"][1] / 512, abs=0.01
    )
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download JSON").click()
    saved = json.loads((await (await download.value).path()).read_text())
    assert "preview" not in saved
    await open_panel(page, "History")
    await expect(page.locator(".thumbnail canvas")).to_have_count(1)


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("http://169.254.169.254/latest/meta-data", "This address isn't fetched"),
        ("https://nowhere.invalid/a.jpg", "This address can't be reached"),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_a_problem_with_advice(
    open_page: OpenPage, url: str, title: str
) -> None:
    page = await open_page()
    await page.get_by_label("URL").fill(url)
    await page.get_by_role("button", name="Fetch URL").click()
    await expect(page.locator(".problem h2")).to_have_text(title)
    await expect(page.locator(".problem .advice")).to_contain_text("What to do")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("notes.txt", "This file type isn't supported"),
        ("broken.jpg", "This file is damaged and can't be opened"),
    ],
)
async def test_a_bad_file_is_a_problem_with_advice(
    open_page: OpenPage, media: Path, name: str, title: str
) -> None:
    page = await open_page()
    await page.set_input_files("input[type=file]", media / name)
    await expect(page.get_by_role("alert")).to_contain_text(title)
    await expect(page.locator(".advice")).to_contain_text("What to do:")
    await expect(page.locator(".problem .name")).to_have_text(name)
    await expect(page.locator(".problem code")).not_to_be_empty()
    await expect(page.get_by_role("button", name="Try again")).to_have_count(0)


async def test_an_unreachable_server_is_shown_and_can_be_retried(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await page.context.set_offline(True)
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await expect(page.locator(".problem h2")).to_have_text("Server not reachable")
    await page.context.set_offline(False)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".finding")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "body", "title", "detail"),
    [
        (502, "<h1>Bad Gateway</h1>", "A part of the service doesn't respond", "with 502"),
        (413, "<h1>413</h1>", "This file is too large", "A server in front of the service"),
        (429, "{}", "The service is busy", "with 429"),
        (418, "<h1>Teapot</h1>", "The response was 418", "without an explanation"),
        (200, "<h1>Sign in</h1>", "Another page came back", "in place of the result"),
    ],
)
async def test_what_a_proxy_sends_is_explained(
    open_page: OpenPage, media: Path, status: int, body: str, title: str, detail: str
) -> None:
    page = await open_page()
    await page.route("**/v1/images", lambda route: route.fulfill(status=status, body=body))
    await page.set_input_files("input[type=file]", media / "astronaut.jpg")
    await expect(page.locator(".problem h2")).to_have_text(title)
    await expect(page.locator(".problem .detail")).to_contain_text(detail)


async def test_every_problem_type_has_a_title_and_advice_of_its_own(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    titles, seen = set(), set()
    for cls in BY_TYPE.values():
        if cls.status == 401:
            continue  # asks for a key instead
        await page.unroute("**/v1/images")
        await page.route(
            "**/v1/images",
            problem_response(cls.slug, cls.title, cls.status, f"a detail of {cls.slug}"),
        )
        await page.set_input_files("input[type=file]", media / "astronaut.jpg")
        await expect(page.locator(".problem .detail")).to_have_text(f"a detail of {cls.slug}")
        titles.add(await page.locator(".problem h2").text_content())
        seen.add(await page.locator(".advice").text_content())
    assert len(titles) == len(seen) == len(BY_TYPE) - 1


async def test_a_late_verdict_does_not_replace_the_report_that_is_read(
    open_page: OpenPage, media: Path
) -> None:
    page = await open_page()
    await analyse_image(page, media / "astronaut.jpg")
    await expect(page.locator(".finding")).to_be_visible()
    held: asyncio.Queue[Route] = asyncio.Queue()
    await page.route("**/v1/images", held.put)
    await page.set_input_files("input[type=file]", media / "coffee.jpg")
    late = await held.get()
    await open_panel(page, "History")
    await page.get_by_role("link", name="astronaut.jpg").click()
    await expect(page.locator("figcaption")).to_have_text("astronaut.jpg")
    await late.continue_()
    await expect(page.locator("#announcer")).to_contain_text("coffee.jpg")
    await expect(page.locator("figcaption")).to_have_text("astronaut.jpg")
    assert (await page.title()).startswith("astronaut.jpg")
    await open_panel(page, "Image")
    await expect(page.locator("figcaption")).to_have_text("coffee.jpg")
