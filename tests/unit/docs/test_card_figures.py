"""The README and the FAQ state the figures of the model card, which is generated."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
CARD = (ROOT / "docs/models/detector.md").read_text()
AUC, AGAINST_ALL, _FALSE, FOUND, MISSED = range(1, 6)
"""Columns of the table of development sets, after the sizes."""
VARIANTS = ("as is", "jpeg 50", "downscale 0.5", "h264 28")
SWAPS = ("dfdc_faces", "inswapper", "lfw_faceswap")
"""Sets of swaps whose people were not trained on."""


def row(start: str) -> list[str]:
    """Returns the cells after the start of the first row of a table that begins so."""
    line = re.search(rf"^\| {re.escape(start)} \| (.*) \|$", CARD, re.MULTILINE)
    assert line, start
    return line[1].split(" | ")


def values(name: str, column: int) -> list[float]:
    """Returns a set's figures of the variants."""
    return [float(value) for value in row(name)[column].split(" · ")]


def text(page: str) -> str:
    """Returns a page with its lines joined."""
    return " ".join((ROOT / page).read_text().split())


def shares(column: int, variants: slice) -> list[float]:
    return [value for name in SWAPS for value in values(name, column)[variants]]


def test_readme_states_the_auc_of_the_card() -> None:
    dfdc, inswapper, swaps_3d = (values(name, AUC) for name in SWAPS)
    jpeg, half = VARIANTS.index("jpeg 50"), VARIANTS.index("downscale 0.5")
    generated = values("stylegan2_300", AGAINST_ALL)[0]
    missed = values("stylegan2_300", MISSED)[0]
    limits = text("README.md")
    assert (
        f"{dfdc[0]:.2f} on DFDC, {swaps_3d[0]:.2f} on 3D swaps, and {inswapper[0]:.2f} on" in limits
    )
    # The card has three digits, so its halves may have been rounded either way.
    found = re.search(r"\((0\.\d+) after JPEG 50, (0\.\d+) at half size\)", limits)
    assert found
    assert abs(float(found[1]) - inswapper[jpeg]) <= 0.0051
    assert abs(float(found[2]) - inswapper[half]) <= 0.0051
    assert f"StyleGAN2 it is {generated:.2f} against" in limits
    assert f"{missed:.0%}".replace("%", " %") + " of its faces pass" in limits


def test_readme_states_the_verdicts_of_the_card() -> None:
    found, missed = shares(FOUND, slice(1)), shares(MISSED, slice(1))
    changed_found, changed_missed = shares(FOUND, slice(1, None)), shares(MISSED, slice(1, None))
    trained_on = values("sdfvd", FOUND)[0]
    limits = text("README.md")
    assert (
        f"{100 * min(found):.0f} to {100 * max(found):.0f} % of its swaps are "
        f"({100 * trained_on:.0f} % on people who were in the training data; "
        f"{100 * min(changed_found):.0f} to {100 * max(changed_found):.0f} % after these). "
        f"{100 * min(missed):.0f} to {100 * max(missed):.0f} % of the swaps pass as *real*, "
        f"up to {100 * max(changed_missed):.0f} % after these."
    ) in limits
    suspicious = float(row("all | all")[2].split()[0])
    assert f"as are {100 * suspicious:.0f} % of the reals" in limits


def test_faq_counts_the_real_faces_of_the_card() -> None:
    count, rate, *_ = row("all | all")
    called_fake = round(int(count) * float(rate.split()[0]))
    highest = float(rate.rstrip("]").split()[-1])
    stated = f"{called_fake} of {count} is, with a 95 % interval up to {100 * highest:.1f} %"
    assert stated in text("docs/faq.md")
