"""The JSON documents as protobuf messages of `deepfake.v1`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from deepfake_serving.contracts.jobs import LIVE
from deepfake_serving.contracts.problems import Problem, from_dict
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb

M = TypeVar("M", bound=Message)


def verdict_message(document: dict[str, Any]) -> pb.ImageVerdict:
    """The JSON verdict as its message."""
    message = pb.ImageVerdict(
        id=document["id"] or "",
        verdict=_word(document["verdict"]),
        faces=[_face(face) for face in document["faces"]],
        width=document["width"],
        height=document["height"],
        model=_model(document["model"]),
        timings_ms=document["timings_ms"],
    )
    return _with(message, document, ("fake_probability",))


def problem_message(problem: Problem, request_id: str) -> pb.Problem:
    """The problem document as its message."""
    return pb.Problem(
        type=problem.type,
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        id=request_id,
        retry_after_s=problem.retry_after_s,
    )


def _face(face: dict[str, Any]) -> pb.Face:
    return pb.Face(
        box=_box(face["box"]),
        landmarks=[pb.Point(x=x, y=y) for x, y in face["landmarks"]],
        detection_confidence=face["detection_confidence"],
        fake_probability=face["fake_probability"],
        verdict=_word(face["verdict"]),
        models=face["models"],
    )


def _box(box: Sequence[float]) -> pb.Box:
    x1, y1, x2, y2 = box
    return pb.Box(x1=x1, y1=y1, x2=x2, y2=y2)


def _model(model: dict[str, Any]) -> pb.Model:
    return pb.Model(
        name=model["name"],
        version=model["version"],
        digest=model["digest"] or "",
        trained=model["trained"],
    )


def _word(verdict: str) -> pb.Verdict.ValueType:
    return pb.Verdict.Value(f"VERDICT_{verdict.upper()}")


def video_message(document: dict[str, Any]) -> pb.VideoVerdict:
    """A video's verdict."""
    message = pb.VideoVerdict(
        verdict=_word(document["verdict"]),
        aggregation=document["aggregation"],
        shots=[_shot(shot) for shot in document["shots"]],
        frames_analyzed=document["frames_analyzed"],
        frames_with_face=document["frames_with_face"],
        width=document["width"],
        height=document["height"],
        complete=document["complete"],
        warnings=document["warnings"],
        model=_model(document["model"]),
    )
    names = "fake_probability", "uncertainty", "fake_frame_ratio", "duration_s", "frame_rate"
    return _with(message, document, names)


def job_message(document: dict[str, Any]) -> pb.Job:
    """A job as its JSON says it, whose times are seconds here."""
    progress = document["progress"]
    shown = pb.Progress(stage=progress["stage"], frames=progress["frames"])
    message = pb.Job(
        id=document["id"],
        kind=document["kind"],
        state=pb.JobState.Value(f"JOB_STATE_{document['state'].upper()}"),
        created_at=_seconds(document["created_at"]),
        started_at=_seconds(document["started_at"]),
        finished_at=_seconds(document["finished_at"]),
        attempt=document["attempt"],
        progress=_with(shown, progress, ("percent", "eta_s")),
        cached=document["cached"],
    )
    if document["problem"]:
        message.problem.CopyFrom(problem_message(from_dict(document["problem"]), document["id"]))
    if document.get("result") and document["kind"] != LIVE:  # windows are told over REST alone
        message.result.CopyFrom(video_message(document["result"]))
    return message


def _shot(shot: dict[str, Any]) -> pb.Shot:
    message = pb.Shot(
        start_s=shot["start_s"],
        end_s=shot["end_s"],
        verdict=_word(shot["verdict"]),
        tracks=[_track(track) for track in shot["tracks"]],
    )
    return _with(message, shot, ("fake_probability",))


def _track(track: dict[str, Any]) -> pb.Track:
    return pb.Track(
        id=track["id"],
        verdict=_word(track["verdict"]),
        fake_probability=track["fake_probability"],
        spread=track["spread"],
        frames=[
            pb.TrackFrame(
                t_s=frame["t_s"], box=_box(frame["box"]), fake_probability=frame["fake_probability"]
            )
            for frame in track["frames"]
        ],
    )


def _with(message: M, document: dict[str, Any], names: Sequence[str]) -> M:
    """Sets the optional fields that the document has a value for."""
    for name in names:
        if document[name] is not None:
            setattr(message, name, document[name])
    return message


def _seconds(time: str | None) -> float:
    return datetime.fromisoformat(time).timestamp() if time else 0.0
