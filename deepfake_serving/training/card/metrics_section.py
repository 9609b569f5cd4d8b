"""The section on metrics, from `figures.json`. Missing values are left out or shown as a dash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deepfake_serving.training.card.facts import Failure
from deepfake_serving.training.card.inputs import Content
from deepfake_serving.training.card.markdown import (
    DASH,
    format_interval,
    format_number,
    table,
)
from deepfake_serving.training.evaluate.metric_set import METRIC_NAMES

_SUBGROUP_METRICS = ("auc", "balanced_accuracy", "real_called_fake", "fake_called_fake")


def overall_table(evaluation: Content) -> str:
    """Returns every metric over all scores, with a column for each level."""
    levels = [s for s in _subgroups(evaluation) if s["by"] == "all"]
    found = dict.fromkeys(name for level in levels for name in _estimates(level))
    names = [n for n in METRIC_NAMES if n in found] + [n for n in found if n not in METRIC_NAMES]
    rows = [
        [METRIC_NAMES.get(n, n), *(format_interval(_estimates(level).get(n)) for level in levels)]
        for n in names
    ]
    rows.append(["real / fake", *(_sizes(level) for level in levels)])
    for title, count in (("identities", "identities"), ("without a prediction", "unanswered")):
        rows.append([title, *(format_number(level["figures"].get(count)) for level in levels)])
    return table(["", *(f"{level['level']}s" for level in levels)], rows)


def subgroup_table(evaluation: Content, by: str) -> str | None:
    """Returns a row for each subgroup by `manipulation`, `face size` or `variant`; None without."""
    subgroups = [s for s in _subgroups(evaluation) if s["by"] == by]
    if not subgroups:
        return None
    head = [by, "unit", *(METRIC_NAMES[n] for n in _SUBGROUP_METRICS), "real / fake"]
    return table(head, [_subgroup_row(subgroup) for subgroup in subgroups])


def _subgroup_row(subgroup: Mapping[str, Any]) -> list[str]:
    estimates = _estimates(subgroup)
    metrics = (format_interval(estimates.get(name)) for name in _SUBGROUP_METRICS)
    return [subgroup["name"], f"{subgroup['level']}s", *metrics, _sizes(subgroup)]


def robustness_table(evaluation: Content) -> str | None:
    """Returns AUC and its drop under each corruption; None without."""
    points = evaluation.get("robustness") or []
    if not points:
        return None
    rows = [
        [
            _corruption_name(p),
            format_interval(p.get("auc")),
            format_interval(p.get("drop")),
            format_number(p.get("videos")),
        ]
        for p in points
    ]
    return table(["corruption", "AUC", "drop", "videos"], rows)


def failure_evidence(failure: Failure, evaluation: Content) -> Iterator[str]:
    """Yields phrases with the metrics that show a failure."""
    for subgroup in _subgroups(evaluation):
        if subgroup["by"] == "face size" and subgroup["name"] == failure.face_size:
            auc = format_interval(_estimates(subgroup).get("auc"))
            yield f"AUC {auc} on faces {subgroup['name']} ({_sizes(subgroup)} real / fake)"
    for kind in failure.corruptions:
        points = [p for p in evaluation.get("robustness") or [] if p["kind"] == kind]
        if points:
            strongest = points[-1]
            auc = format_interval(strongest.get("auc"))
            yield f"AUC {auc} after {_corruption_name(strongest)}"


def headline(evaluation: Content) -> str:
    """Returns AUC over videos and the sample size; a dash without."""
    for subgroup in _subgroups(evaluation):
        if subgroup["by"] == "all" and subgroup["level"] == "video":
            auc = format_interval(_estimates(subgroup).get("auc"))
            return f"{auc} ({_sizes(subgroup)} real / fake)"
    return DASH


def _subgroups(evaluation: Content) -> list[Mapping[str, Any]]:
    subgroups = evaluation.get("figures") or []
    return [s for s in subgroups if {"by", "name", "level", "figures"} <= set(s)]


def _estimates(subgroup: Mapping[str, Any]) -> Mapping[str, Any]:
    estimates: Mapping[str, Any] = subgroup["figures"].get("figures") or {}
    return estimates


def _sizes(subgroup: Mapping[str, Any]) -> str:
    metrics = subgroup["figures"]
    return f"{format_number(metrics.get('real'))} / {format_number(metrics.get('fake'))}"


def _corruption_name(point: Mapping[str, Any]) -> str:
    return f"{point['kind']} {point['level']:g}"
