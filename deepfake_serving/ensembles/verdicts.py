"""The verdict of an ensemble on an image, from the verdicts of its members on the same faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepfake_serving.contracts.combination import combined_probability
from deepfake_serving.contracts.problems import EnsembleUnavailable, Problem
from deepfake_serving.contracts.verdict import NO_HEATMAPS, ModelRef, ModelScore
from deepfake_serving.ensembles.combine import combine
from deepfake_serving.ensembles.spec import EnsembleSpec

Document = dict[str, Any]
"""An `ImageVerdict` or `ImageFaces`, as a dictionary of its JSON."""
MemberResult = Document | Problem


def faces_of(document: Document) -> list[dict[str, Any]]:
    """Returns the faces of a result, as the parameter `faces` of a member's request has them."""
    names = ("box", "landmarks", "detection_confidence")
    return [{name: face[name] for name in names} for face in document["faces"]]


def ensemble_verdict(
    spec: EnsembleSpec, model: ModelRef, found: Document, members: Mapping[str, MemberResult]
) -> Document:
    """Returns the verdict of the ensemble; without a face no member is needed.

    Args:
        found: the result with the faces.
        members: verdicts on these faces, or the problems of members that are left out.

    Raises:
        EnsembleUnavailable: fewer members than `min_answers` have scored the faces.
    """
    scored = {m: r for m, r in members.items() if not isinstance(r, Problem)}
    lost = {m: r for m, r in members.items() if isinstance(r, Problem)}
    if found["faces"]:
        require_members(spec, scored, lost)
    faces = []
    for number, face in enumerate(found["faces"]):
        own = {m: r["faces"][number] for m, r in scored.items()}
        faces.append(_face(spec, face, own, lost))
    probability = combined_probability([f["fake_probability"] for f in faces]) if faces else None
    return {
        "verdict": spec.thresholds.label(probability),
        "fake_probability": probability,
        "faces": faces,
        "width": found["width"],
        "height": found["height"],
        "model": {
            "name": model.name,
            "version": model.version,
            "digest": model.digest,
            "trained": model.trained,
        },
        "timings_ms": found["timings_ms"],
        "id": found["id"],
        "warnings": [*_warnings(found, scored), *_left_out(lost if faces else {})],
        "preview": found.get("preview"),
    }


def require_members(
    spec: EnsembleSpec, scored: Mapping[str, object], lost: Mapping[str, Problem]
) -> None:
    """
    Raises:
        EnsembleUnavailable: fewer members than `min_answers` have scored.
    """
    if len(scored) < spec.min_members:
        waits = [problem.retry_after_s for problem in lost.values() if problem.retry_after_s]
        reasons = ", ".join(f"{model} ({problem.slug})" for model, problem in lost.items())
        raise EnsembleUnavailable(
            f"{len(scored)} of {len(spec.members)} members of {spec.name} responded, at least "
            f"{spec.min_members} are needed; unavailable: {reasons}",
            retry_after_s=max(waits, default=5),
        )


def _face(
    spec: EnsembleSpec,
    face: dict[str, Any],
    scored: Mapping[str, dict[str, Any]],
    lost: Mapping[str, Problem],
) -> dict[str, Any]:
    probability = combine(spec, {m: own["fake_probability"] for m, own in scored.items()})
    return {
        "box": _rounded(face["box"]),
        "landmarks": [_rounded(point) for point in face["landmarks"]],
        "detection_confidence": face["detection_confidence"],
        "fake_probability": probability,
        "verdict": spec.thresholds.label(probability),
        "models": {m: _score(own) for m, own in scored.items()}
        | {m: {"unavailable": problem.slug} for m, problem in lost.items()},
        "heatmap": None,
    }


def _score(face: dict[str, Any]) -> ModelScore:
    """Returns the score of one member, with its heatmap if it has one."""
    score = ModelScore(fake_probability=face["fake_probability"])
    if face.get("heatmap"):
        score["heatmap"] = face["heatmap"]
    return score


def _warnings(found: Document, scored: Mapping[str, Document]) -> list[str]:
    """Returns those of the search for faces, and the members that have no heatmaps."""
    own = [w for w in found.get("warnings", []) if w != NO_HEATMAPS]
    without = [m for m, r in scored.items() if NO_HEATMAPS in r.get("warnings", [])]
    return [*own, *(f"no heatmaps of {model}: its network has none" for model in without)]


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 1) for value in values]


def _left_out(lost: Mapping[str, Problem]) -> list[str]:
    return [f"{model} is left out: {problem.slug}" for model, problem in lost.items()]
