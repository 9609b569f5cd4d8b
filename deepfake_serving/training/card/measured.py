"""What `figures.json` holds, as tables. Whatever it lacks is left out or dashed, never guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deepfake_serving.training.card.facts import Failure
from deepfake_serving.training.card.inputs import Content
from deepfake_serving.training.card.markdown import DASH, interval, number, table
from deepfake_serving.training.evaluate.figures import NAMES

_PARTS = ("auc", "balanced_accuracy", "real_called_fake", "fake_called_fake")


def whole_table(evaluation: Content) -> str:
    """Every figure of everything, a column for each level (faces, frames, videos)."""
    parts = [p for p in _parts(evaluation) if p["by"] == "all"]
    found = dict.fromkeys(name for part in parts for name in _figures(part))
    ordered = [n for n in NAMES if n in found] + [n for n in found if n not in NAMES]
    rows = [[NAMES.get(n, n), *(interval(_figures(p).get(n)) for p in parts)] for n in ordered]
    sizes = [["real / fake", *(_sizes(part) for part in parts)]]
    sizes += [
        [count, *(number(_group(part).get(count)) for part in parts)]
        for count in ("identities", "unanswered")
    ]
    return table(["", *(f"{part['level']}s" for part in parts)], rows + sizes)


def part_table(evaluation: Content, by: str) -> str | None:
    """A row for each part `by` something (`manipulation`, `face size`, `variant`); None without."""
    parts = [p for p in _parts(evaluation) if p["by"] == by]
    if not parts:
        return None
    head = [by, "of", *(NAMES[n] for n in _PARTS), "real / fake"]
    rows = [
        [p["name"], f"{p['level']}s", *(interval(_figures(p).get(n)) for n in _PARTS), _sizes(p)]
        for p in parts
    ]
    return table(head, rows)


def robustness_table(evaluation: Content) -> str | None:
    """AUC after each disturbance and how much it cost; None without."""
    points = evaluation.get("robustness") or []
    if not points:
        return None
    head = ["disturbance", "AUC", "lost", "videos"]
    rows = [
        [_point_name(p), interval(p.get("auc")), interval(p.get("drop")), number(p.get("videos"))]
        for p in points
    ]
    return table(head, rows)


def shown(failure: Failure, evaluation: Content) -> Iterator[str]:
    """The figures that show a failure, as phrases."""
    for part in _parts(evaluation):
        if part["by"] == "face size" and part["name"] == failure.face_size:
            auc = interval(_figures(part).get("auc"))
            yield f"AUC {auc} on faces {part['name']} ({_sizes(part)} real / fake)"
    for kind in failure.disturbances:
        points = [p for p in evaluation.get("robustness") or [] if p["kind"] == kind]
        if points:
            worst = points[-1]
            yield f"AUC {interval(worst.get('auc'))} after {_point_name(worst)}"


def headline(evaluation: Content) -> str:
    """AUC over videos and what it rests on; a dash where there is none."""
    for part in _parts(evaluation):
        if part["by"] == "all" and part["level"] == "video":
            return f"{interval(_figures(part).get('auc'))} ({_sizes(part)} real / fake)"
    return DASH


def _parts(evaluation: Content) -> list[Mapping[str, Any]]:
    parts = evaluation.get("figures") or []
    return [p for p in parts if {"by", "name", "level", "figures"} <= set(p)]


def _group(part: Mapping[str, Any]) -> Mapping[str, Any]:
    group: Mapping[str, Any] = part["figures"]
    return group


def _figures(part: Mapping[str, Any]) -> Mapping[str, Any]:
    figures: Mapping[str, Any] = _group(part).get("figures") or {}
    return figures


def _sizes(part: Mapping[str, Any]) -> str:
    return f"{number(_group(part).get('real'))} / {number(_group(part).get('fake'))}"


def _point_name(point: Mapping[str, Any]) -> str:
    return f"{point['kind']} {point['level']:g}"
