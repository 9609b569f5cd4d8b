"""Each panel of the console end to end, in Firefox and in WebKit."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zlib
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.browsers.page import ConsolePage

_DROP = """
const transfer = new DataTransfer();
const bytes = Uint8Array.from(atob(arguments[0]), (each) => each.charCodeAt(0));
transfer.items.add(new File([bytes], arguments[1], { type: "image/jpeg" }));
for (const kind of ["dragenter", "dragover", "drop"]) {
  document.querySelector(".drop-zone").dispatchEvent(
    new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def analyse_video(page: ConsolePage, file: Path) -> None:
    page.choose(file)
    page.find(".finding")


def test_an_image_has_a_box_and_a_list_entry_for_each_face(page: ConsolePage, media: Path) -> None:
    page.open()
    page.choose(media / "group.jpg")
    page.find(".finding", "Likely fake")
    assert len(page.visible(".face-overlay .box")) == 3
    assert len(page.visible(".faces > li")) == 3
    page.click("button", "Show heatmaps and the file's origin")
    page.find(".provenance")
    page.wait(lambda: page.visible(".heat-pair img")[0].size["width"] > 20)


def test_an_example_is_analysed_during_the_tour(page: ConsolePage) -> None:
    page.open()
    page.click(".tour button", "Next")
    page.find(".tour", "Step 2 of 3")
    page.click(".example-button", "swapped")
    page.find(".finding", "Likely fake")
    page.gone(".examples")
    page.click(".tour button", "Skip")
    page.gone(".tour")


def test_a_dropped_image_is_analysed(page: ConsolePage, media: Path) -> None:
    page.open()
    image = base64.b64encode((media / "astronaut.jpg").read_bytes()).decode()
    page.script(_DROP, image, "astronaut.jpg")
    page.find(".finding", "Likely real")
    page.find("figcaption .name", "astronaut.jpg")


def test_a_label_is_sent_from_a_dialog(page: ConsolePage, media: Path) -> None:
    page.open()
    page.choose(media / "astronaut.jpg")
    page.click("button.wrong")
    page.wait(lambda: page.script("return document.activeElement.value") == "fake")
    page.find("dialog textarea").send_keys("a swap", Keys.ESCAPE)
    page.gone("dialog")
    page.click("button.wrong")
    page.click("dialog button", "Send")
    page.find(".given", "You labelled this as fake.")
    page.gone("dialog")


def test_a_batch_has_a_row_for_each_file_and_is_exported(
    page: ConsolePage, media: Path, downloads: Path
) -> None:
    page.open("#/batch")
    names = ("astronaut.jpg", "coffee.jpg", "group.jpg", "notes.txt")
    page.choose(*(media / name for name in names))
    page.find("main", "4 of 4 finished")
    rows = page.visible("tbody tr")
    assert [name for name, row in zip(names, rows, strict=True) if name in row.text] == [*names]
    page.click("thead button", "Score")
    page.wait(lambda: "coffee" not in page.visible("tbody tr")[0].text)
    if page.browser == "firefox":  # MiniBrowser asks where to save
        page.click("button", "CSV")
        page.wait(lambda: [file for file in downloads.glob("*.csv") if file.stat().st_size])


def test_a_video_is_played_with_boxes_and_its_timeline_seeks(
    page: ConsolePage, media: Path
) -> None:
    page.open("#/video")
    analyse_video(page, media / "shots.mp4")
    page.wait(lambda: page.script("return document.querySelector('video').readyState >= 2"))
    page.find(".box")
    before = page.script("return document.querySelector('video').currentTime")
    slider = page.find("[role=slider]")
    slider.send_keys(Keys.END)
    page.wait(lambda: page.script("return document.querySelector('video').currentTime") > before)
    page.click(".shot-button[aria-pressed=false]")
    page.find(".shot-button[aria-pressed=true]")
    loaded = "(image) => image.naturalWidth"
    page.wait(
        lambda: page.script(
            f"return [...document.querySelectorAll('.frame-button img')].every({loaded})"
        )
    )


def test_the_camera_is_analysed_until_it_is_stopped(page: ConsolePage) -> None:
    if page.browser != "firefox":
        pytest.skip("WebKitGTK's driver stops responding at times while its mock camera runs")
    page.open("#/live")
    page.click("button", "Start the camera")
    page.find(".face-overlay .box")
    dots = "return document.querySelectorAll('.score-trace .dots circle').length"
    page.wait(lambda: page.script(dots) > 4)
    page.click("button", "Stop")
    page.find(".live-now", "Stopped.")
    page.gone(".face-overlay .box")


def test_the_history_is_filtered_opened_and_deleted_from(
    page: ConsolePage, media: Path, tmp_path: Path
) -> None:
    name = f"history-{tmp_path.name}.mp4"
    shutil.copy(media / "shots.mp4", tmp_path / name)
    page.open("#/video")
    analyse_video(page, tmp_path / name)
    page.panel("History")
    page.find("input[type=search]").send_keys(name)
    page.wait(lambda: len(page.visible("tbody tr")) == 1)
    page.click("tbody a", name)
    page.find(".finding")
    page.driver.back()
    page.click(f"button[aria-label='Delete {name}']")
    focused = "return document.activeElement.textContent"
    page.wait(lambda: page.script(focused) == "Cancel")
    page.click("dialog button", "Delete")
    page.gone("tbody tr")


def test_every_key_is_shown(page: ConsolePage) -> None:
    page.open("#/keys")
    page.find(".key-card", "team-a")
    assert len(page.visible(".key-card")) == 3
    assert page.visible("meter")[0].size["width"] > 50


def test_a_printed_report_is_a_pdf_of_few_pages(page: ConsolePage, media: Path) -> None:
    page.open()
    page.choose(media / "astronaut.jpg")
    page.find(".finding")
    assert page.visible(".report-sheet") == []
    page.wait(lambda: page.script("return document.querySelectorAll('.report-sheet dt').length"))
    if page.browser == "firefox":  # WebKit's driver can't print
        assert 1 <= pages(base64.b64decode(page.driver.print_page())) <= 2


def pages(pdf: bytes) -> int:
    """Returns the number of pages of a PDF, whose objects may be compressed."""
    assert pdf.startswith(b"%PDF")
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    objects = [zlib.decompressobj().decompress(s) for s in streams if s.startswith(b"x\x9c")]
    return len(re.findall(rb"/Type\s*/Page\b", b"".join([pdf, *objects])))


def test_language_and_colours_are_kept(page: ConsolePage) -> None:
    page.open()
    page.script("arguments[0].scrollIntoView()", page.find("#language"))
    Select(page.find("#language")).select_by_value("de")
    page.find("h1", "Bild")
    page.click("#theme")
    colours = "return getComputedStyle(document.body).backgroundColor"
    chosen = page.script(colours)
    page.driver.refresh()
    page.find("h1", "Bild")
    assert page.script(colours) == chosen
    assert json.loads(page.script("return JSON.stringify(document.documentElement.lang)")) == "de"
