"""Predictions as they are logged: scores, latency and models, but neither media nor names."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import VideoVerdict

_MEMBER = "member "
"""The prefix of a member's time among the timings of an ensemble's verdict."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One analysed image or video.

    Attributes:
        id: of the response or the job.
        time: when it was made, seconds since the epoch.
        seconds: how long the analysis took.
        faces: of an image; tracks of a video.
        scores: the highest score over the faces by model; in an ensemble, by member.
        unavailable: members that scored no face, with the reason.
        member_ms: how long each member of an ensemble took, for images.
    """

    id: str
    kind: Literal["image", "video"]
    time: float
    seconds: float
    model: ModelRef
    verdict: str
    fake_probability: float | None
    faces: int
    scores: dict[str, float]
    unavailable: dict[str, str]
    member_ms: dict[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers by name, as a tracking server shows them."""
        numbers = {"faces": float(self.faces), "seconds": self.seconds}
        if self.fake_probability is not None:
            numbers["fake_probability"] = self.fake_probability
        numbers |= {f"score/{model}": score for model, score in self.scores.items()}
        return numbers | {f"member_ms/{model}": ms for model, ms in self.member_ms.items()}


def image_prediction(verdict: bytes, seconds: float, response_id: str) -> Prediction:
    """Returns what is logged of the JSON of an `ImageVerdict`."""
    document = orjson.loads(verdict)
    faces = document["faces"]
    model = document["model"]
    scores, unavailable = _by_model(face["models"] for face in faces)
    timings = document.get("timings_ms", {})
    return Prediction(
        id=response_id,
        kind="image",
        time=time.time(),
        seconds=seconds,
        model=ModelRef(model["name"], model["version"], model["digest"], model["trained"]),
        verdict=document["verdict"],
        fake_probability=document["fake_probability"],
        faces=len(faces),
        scores=scores,
        unavailable=unavailable,
        member_ms={
            name.removeprefix(_MEMBER): ms
            for name, ms in timings.items()
            if name.startswith(_MEMBER)
        },
    )


def video_prediction(verdict: VideoVerdict, seconds: float, job_id: str) -> Prediction:
    """Returns what is logged of a video's verdict."""
    tracks = [track for shot in verdict.shots for track in shot.tracks]
    scores, unavailable = _by_model(track.models for track in tracks)
    return Prediction(
        id=job_id,
        kind="video",
        time=time.time(),
        seconds=seconds,
        model=verdict.model,
        verdict=verdict.verdict,
        fake_probability=verdict.fake_probability,
        faces=len(tracks),
        scores=scores,
        unavailable=unavailable,
        member_ms={},
    )


def _by_model(faces: Iterable[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, str]]:
    """Returns the highest score of each model, and the reasons of those without any."""
    scores: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for face in faces:
        for model, score in face.items():
            if not isinstance(score, Mapping):
                continue  # of model servers of earlier versions
            if "fake_probability" in score:
                scores[model] = max(scores.get(model, 0.0), score["fake_probability"])
            elif "unavailable" in score:
                reasons[model] = score["unavailable"]
    return scores, {model: reason for model, reason in reasons.items() if model not in scores}
