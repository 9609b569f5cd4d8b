"""Verdicts and problems as protobuf messages of `deepfake.v1`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb


def verdict_message(document: dict[str, Any]) -> pb.ImageVerdict:
    """Converts an image's verdict, as a dictionary that was parsed from its JSON."""
    return pb.ImageVerdict(
        id=document["id"] or "",
        verdict=label_message(document["verdict"]),
        faces=[_face(face) for face in document["faces"]],
        width=document["width"],
        height=document["height"],
        model=_model(document["model"]),
        timings_ms=document["timings_ms"],
        warnings=document.get("warnings", []),
        fake_probability=document["fake_probability"],
        provenance=_provenance(document["provenance"]) if document.get("provenance") else None,
        preview=_data(document["preview"]) if document.get("preview") else b"",
    )


def problem_message(problem: Problem, request_id: str) -> pb.Problem:
    """Converts a problem."""
    return pb.Problem(
        type=problem.type,
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        id=request_id,
        retry_after_s=problem.retry_after_s,
    )


def box_message(box: Sequence[float]) -> pb.Box:
    """Converts a box [x1, y1, x2, y2]."""
    x1, y1, x2, y2 = box
    return pb.Box(x1=x1, y1=y1, x2=x2, y2=y2)


def label_message(label: str) -> pb.Verdict.ValueType:
    """Converts a verdict's label."""
    return pb.Verdict.Value(f"VERDICT_{label.upper()}")


def by_model(scores: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns what the scores of several models have under a name, by model.

    Model servers of earlier versions have a number for each model, which is left out.
    """
    return {m: s[name] for m, s in scores.items() if isinstance(s, Mapping) and name in s}


def _face(face: dict[str, Any]) -> pb.Face:
    return pb.Face(
        box=box_message(face["box"]),
        landmarks=[pb.Point(x=x, y=y) for x, y in face["landmarks"]],
        detection_confidence=face["detection_confidence"],
        fake_probability=face["fake_probability"],
        verdict=label_message(face["verdict"]),
        models=by_model(face["models"], "fake_probability"),
        unavailable=by_model(face["models"], "unavailable"),
        heatmap=_heatmap(face["heatmap"]) if face.get("heatmap") else None,
        heatmaps={m: _heatmap(h) for m, h in by_model(face["models"], "heatmap").items()},
    )


def _heatmap(heatmap: dict[str, Any]) -> pb.Heatmap:
    return pb.Heatmap(
        rows=[pb.HeatmapRow(values=row) for row in heatmap["grid"]],
        offset=heatmap["offset"],
        scale=heatmap["scale"],
        overlay=_data(heatmap["overlay"]),
        crop=_data(heatmap["crop"]),
        method=heatmap.get("method", "class_activation"),
    )


def _data(uri: str) -> bytes:
    """Returns the content of a base64 data URI."""
    return base64.b64decode(uri.partition(",")[2])


def _model(model: dict[str, Any]) -> pb.Model:
    return pb.Model(
        name=model["name"],
        version=model["version"],
        digest=model["digest"] or "",
        trained=model["trained"],
    )


def _provenance(provenance: dict[str, Any]) -> pb.Provenance:
    """Fields that are null are left empty."""
    message = pb.Provenance()
    json_format.ParseDict(provenance, message, ignore_unknown_fields=True)
    return message
