"""The tables of a result: their columns, and the rows of one analysed file."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deepfake_serving.cli.evidence.heatmaps import heatmap_png

_SCORES = pa.map_(pa.string(), pa.float64())

FILES = pa.schema(
    [
        ("path", pa.string()),
        ("kind", pa.string()),
        ("verdict", pa.string()),
        ("fake_probability", pa.float64()),
        ("faces", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("duration_s", pa.float64()),
        ("frames_analyzed", pa.int32()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("model", pa.string()),
        ("model_version", pa.string()),
        ("model_digest", pa.string()),
        ("warnings", pa.list_(pa.string())),
        ("problem", pa.string()),
        ("problem_detail", pa.string()),
    ]
)
"""One row per image and per video. A file that could not be analysed has no verdict; `problem` is
its problem type (RFC 9457), as in the responses of a gateway."""

FACES = pa.schema(
    [
        ("path", pa.string()),
        ("face", pa.int32()),
        ("verdict", pa.string()),
        ("fake_probability", pa.float64()),
        ("box", pa.list_(pa.float64())),
        ("detection_confidence", pa.float64()),
        ("models", _SCORES),
        ("heatmaps", pa.map_(pa.string(), pa.binary())),
        ("shot", pa.int32()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
    ]
)
"""One row per face of an image ([x1, y1, x2, y2] in pixels), and per track of a video, whose box is
that of its highest frame; `shot` counts from 1. `heatmaps` are PNGs by model, of images with
`--explain`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A file, with its size and digest if it could be read."""

    path: str
    bytes: int | None = None
    sha256: str | None = None


Row = dict[str, Any]


def image_rows(source: Source, document: Row) -> tuple[Row, list[Row]]:
    """Returns the row of an image and those of its faces, from its verdict or problem."""
    row = _file_row(source, "image", document)
    if "type" in document:
        return row, []
    faces = [
        face
        | {"path": printable(source.path), "face": number, "shot": None}
        | {"models": _probabilities(face["models"])}
        | {"heatmaps": _heatmaps(face, document["model"]["name"])}
        for number, face in enumerate(document["faces"])
    ]
    return row | {"faces": len(faces)}, [_only(FACES, face) for face in faces]


def video_rows(source: Source, document: Row) -> tuple[Row, list[Row]]:
    """Returns the row of a video and those of its tracks, from its verdict or problem."""
    row = _file_row(source, "video", document)
    if "type" in document:
        return row, []
    tracks = [
        _track_row(printable(source.path), number, shot, track)
        for number, shot in enumerate(document["shots"], 1)
        for track in shot["tracks"]
    ]
    numbered = [track | {"face": number} for number, track in enumerate(tracks)]
    return row | {"faces": len(tracks)}, [_only(FACES, track) for track in numbered]


def printable(path: str) -> str:
    """Returns a path as UTF-8; bytes that are not appear as `\\xff`."""
    return os.fsencode(path).decode(errors="backslashreplace")


def encode(rows: Sequence[Row], schema: pa.Schema) -> bytes:
    """Returns the rows as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema), buffer, compression="zstd")
    return buffer.getvalue()


def _file_row(source: Source, kind: str, document: Row) -> Row:
    row = dataclasses.asdict(source) | {"path": printable(source.path), "kind": kind}
    if "type" in document:
        return row | {"problem": document["type"], "problem_detail": document["detail"]}
    model = document["model"]
    return (
        row
        | _only(FILES, document)
        | {
            "model": model["name"],
            "model_version": model["version"],
            "model_digest": model["digest"],
        }
    )


def _track_row(path: str, shot_number: int, shot: Row, track: Row) -> Row:
    frames = track["frames"]
    highest = max(frames, key=lambda frame: float(frame["fake_probability"]))
    return {
        "path": path,
        "verdict": track["verdict"],
        "fake_probability": track["fake_probability"],
        "box": highest["box"],
        "shot": shot_number,
        "start_s": shot["start_s"],
        "end_s": shot["end_s"],
        "models": _probabilities(track.get("models", {})),
    }


def _probabilities(models: Row) -> dict[str, float]:
    """Returns the probability of each model that has one; members of an ensemble may be absent."""
    return {m: s["fake_probability"] for m, s in models.items() if "fake_probability" in s}


def _heatmaps(face: Row, model: str) -> dict[str, bytes] | None:
    """Returns the heatmap of the model, or those of the members of an ensemble; None without."""
    own = {model: face["heatmap"]} if face["heatmap"] else {}
    members = {m: score["heatmap"] for m, score in face["models"].items() if "heatmap" in score}
    return {name: heatmap_png(heatmap) for name, heatmap in (own | members).items()} or None


def _only(schema: pa.Schema, row: Row) -> Row:
    return {name: row[name] for name in schema.names if name in row and name != "faces"}
