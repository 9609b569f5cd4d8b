"""Runs a folder of media with expected outcomes: `make cases CASES=folder`.

The folder's `cases.yaml` maps files to what is expected of them:

    hdr.mp4: {label: real, like: sdr.mp4}
    grid.avif: {as: video, problem: unsupported-media-type}
    cut.jpg: {label: real, warning: cut short}

`like` names another file whose probability differs by at most `within` (0.1).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from deepfake_serving.cli.bundled import bundled_archive
from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.options import VideoOptions
from model_handlers.pipeline.decode import Pixels

_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".avif", ".heic", ".tif", ".tiff"})
_KEYS = frozenset({"as", "label", "like", "within", "problem", "warning", "complete"})


class Runner:
    """Analyses files, each once."""

    def __init__(self, folder: Path, detector: LocalDetector) -> None:
        self._folder, self._detector = folder, detector
        self._seen: dict[tuple[str, bool], dict[str, Any]] = {}

    def run(self, name: str, expected: dict[str, Any]) -> tuple[str, list[str]]:
        """Returns what was seen of a file, and what differs from the expectation."""
        if unknown := expected.keys() - _KEYS:
            raise ValueError(f"{name}: unknown {sorted(unknown)}; there are {sorted(_KEYS)}")
        seen = self._analyse(name, expected.get("as"))
        return _summary(seen), list(self._differences(seen, expected))

    def _differences(self, seen: dict[str, Any], expected: dict[str, Any]) -> list[str]:
        wrong = [
            f"{key}: {expected[key]}"
            for key, found in (
                ("label", seen.get("verdict")),
                ("problem", seen.get("problem")),
                ("complete", seen.get("complete", True)),
            )
            if expected.get(key, found) != found
        ]
        if expected.get("warning", "") not in "; ".join(seen["warnings"]):
            wrong.append(f"warning: {expected['warning']}")
        if "problem" in seen and "problem" not in expected:
            wrong.append("no problem")
        if "like" in expected:
            other = self._analyse(expected["like"], None).get("fake_probability")
            own, within = seen.get("fake_probability"), expected.get("within", 0.1)
            if own is None or other is None or abs(own - other) > within:
                wrong.append(f"like {expected['like']}: {other}")
        return wrong

    def _analyse(self, name: str, kind: str | None) -> dict[str, Any]:
        path = self._folder / name
        is_image = kind == "image" if kind else path.suffix.lower() in _IMAGES
        if (name, is_image) not in self._seen:
            try:
                self._seen[name, is_image] = self._image(path) if is_image else self._video(path)
            except Problem as problem:
                self._seen[name, is_image] = {"problem": problem.slug, "warnings": []}
        return self._seen[name, is_image]

    def _image(self, path: Path) -> dict[str, Any]:
        (document,) = self._detector.documents([path], 1)
        if "type" in document:
            return {"problem": document["type"].rpartition(":")[2], "warnings": []}
        return document

    def _video(self, path: Path) -> dict[str, Any]:
        async def detect(frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
            return await asyncio.to_thread(self._detector.frames, frames)

        async def save(name: str, image: bytes) -> None:
            """Drops the gallery."""

        verdict = asyncio.run(
            analyse(path, detect, VideoOptions(max_in_flight=1), save, lambda _: None)
        )
        return {
            "verdict": verdict.verdict,
            "fake_probability": verdict.fake_probability,
            "complete": verdict.complete,
            "warnings": verdict.warnings,
        }


def _summary(seen: dict[str, Any]) -> str:
    if "problem" in seen:
        return str(seen["problem"])
    probability = seen["fake_probability"]
    shown = "" if probability is None else f" {probability:.3f}"
    return f"{seen['verdict']}{shown}" + "".join(f"; {each}" for each in seen["warnings"])


def main() -> int:
    """Prints a table; returns 1 if a case differs from its expectation."""
    parser = argparse.ArgumentParser(description="Runs media cases.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--expected", type=Path, help="default: cases.yaml in the folder")
    parser.add_argument("--archive", type=Path, help="default: the bundled detector")
    given = parser.parse_args()
    outcomes = given.expected or given.folder / "cases.yaml"
    if not outcomes.is_file():
        parser.error(f"{outcomes}: no such file; --expected names another")
    expected = yaml.safe_load(outcomes.read_text())
    failed = 0
    runner = Runner(given.folder, LocalDetector(given.archive or bundled_archive("detector")))
    for name, outcome in expected.items():
        seen, wrong = runner.run(name, outcome or {})
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '}  {name:40}  {seen}", flush=True)
        for each in wrong:
            print(f"      expected {each}")
    print(f"{len(expected) - failed} of {len(expected)} cases are as expected")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
