"""The size of face below which fakes are often missed is the same wherever it is stated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
STATED = {
    "README.md": r"under about (\d+) px",
    "docs/models/detector.md": r"faces of (\d+) pixels or more",
    "config/training/data-card.yaml": r"faces of (\d+) pixels or more",
}


def small_face_px() -> int:
    """Returns the number of the detector's manifest, which the console shows."""
    manifest = yaml.safe_load((ROOT / "config/models/detector.yaml").read_text())
    return int(manifest["card"]["min_face_px"])


@pytest.mark.parametrize("page", STATED)
def test_pages_state_the_size_of_the_manifest(page: str) -> None:
    found = re.findall(STATED[page], (ROOT / page).read_text())
    assert found == [str(small_face_px())]


def test_manifests_and_ensembles_state_the_same_size() -> None:
    files = [*ROOT.glob("config/models/**/*.yaml"), *ROOT.glob("config/ensembles/*.yaml")]
    cards = [(yaml.safe_load(path.read_text()).get("card") or {}) for path in files]
    sizes = {card["min_face_px"] for card in cards if "min_face_px" in card}
    assert sizes == {small_face_px()}
