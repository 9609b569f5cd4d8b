"""Feedback as clients give it: on an image response or a job of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from deepfake_serving.contracts.jobs import IMAGE, LIVE, Job
from deepfake_serving.contracts.problems import Conflict, InvalidRequest, NotFound
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.feedback.images import AnalysedImages, image_record
from deepfake_serving.gateway.feedback.records import Feedback, ImageRecord, Truth
from deepfake_serving.gateway.feedback.store import FeedbackStore

MAX_NOTE = 1000
"""Characters of a note."""


@dataclass(frozen=True, slots=True)
class FeedbackRequest:
    """A label for a response, or for one face of it."""

    id: str
    label: Truth
    face: int | None = None
    track: str | None = None
    note: str | None = None


class Jobs(Protocol):
    """Lookup of jobs."""

    async def get(self, job_id: str, principal: Principal) -> Job:
        """Returns a job of the principal; raises `NotFound`."""
        ...

    async def result(self, job: Job) -> bytes | None:
        """Returns the JSON of its result."""
        ...


class FeedbackService:
    """Accepts feedback. Images and jobs of other owners are not found."""

    def __init__(
        self,
        store: FeedbackStore,
        images: AnalysedImages,
        jobs: Jobs,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.images, self.jobs, self._clock = store, images, jobs, clock

    async def give(self, request: FeedbackRequest, principal: Principal) -> Feedback:
        """Stores feedback, in place of the client's earlier one on the same face.

        What it is on may be deleted meanwhile, with the feedback on it that was stored by then.

        Raises:
            NotFound: the principal has no image response and no job of this id, or it has no such
                face.
            Conflict: the job has no verdict.
            InvalidRequest: a face of a video is a track, and one of an image has a position.
        """
        image = await self.images.find(principal.id, request.id)
        subject = await self._job(request, principal) if image is None else _image(request, image)
        feedback = replace(
            subject,
            created_at=self._clock(),
            key=principal.id,
            label=request.label,
            note=request.note,
        )
        await self.store.put(feedback)
        try:
            await self._check_exists(feedback, principal)
        except NotFound:
            await self.store.remove([feedback])
            raise
        return feedback

    async def _check_exists(self, feedback: Feedback, principal: Principal) -> None:
        """
        Raises:
            NotFound: what the feedback is on was deleted.
        """
        if feedback.kind == "job":
            await self.jobs.get(feedback.id, principal)
        elif await self.images.find(principal.id, feedback.id) is None:
            raise NotFound("the image response was deleted")

    async def forget(self, image_id: str, principal: Principal) -> None:
        """Deletes what is stored of an image response: its record, the image, feedback on it.

        Raises:
            NotFound: the principal has no image response of this id.
        """
        if not await self.images.forget(principal.id, image_id):
            raise NotFound(f"no image response of yours has the id {image_id[:80]!r}")
        await self.store.forget_image(principal.id, image_id)

    async def _job(self, request: FeedbackRequest, principal: Principal) -> Feedback:
        try:
            job = await self.jobs.get(request.id, principal)
        except NotFound:
            raise NotFound(
                f"no image response and no job of yours has the id {request.id[:80]!r}"
            ) from None
        result = await self.jobs.result(job)
        if result is None:
            raise Conflict(f"the job is {job.state} and has no verdict")
        build = _image_job if job.kind == IMAGE else _video
        return build(request, job, orjson.loads(result))


def _image(request: FeedbackRequest, image: ImageRecord) -> Feedback:
    if request.track is not None:
        raise InvalidRequest("a face of an image is named by face, its position, not by track")
    if request.face is not None and request.face >= len(image.faces):
        raise NotFound(f"the image has {len(image.faces)} faces; the first one is 0")
    face = None if request.face is None else image.faces[request.face]
    scored = image if face is None else face
    return Feedback(
        id=image.id,
        kind="image",
        label=request.label,
        created_at=0.0,
        owner=image.owner,
        face=request.face,
        faces=len(image.faces),
        box=None if face is None else face.box,
        digest=image.digest,
        verdict=scored.verdict,
        fake_probability=scored.fake_probability,
        model=image.model,
        model_digest=image.model_digest,
        object=image.object,
    )


def _image_job(request: FeedbackRequest, job: Job, result: dict[str, Any]) -> Feedback:
    record = image_record(result, job.id, job.owner, job.created_at, job.source.digest or "")
    feedback = _image(request, replace(record, object=job.source.object))
    in_pixels = job.options.get("boxes", "pixels") == "pixels"
    return replace(
        feedback,
        kind="job",
        name=job.source.name,
        digest=job.source.digest,
        box=feedback.box if in_pixels else None,
    )


def _video(request: FeedbackRequest, job: Job, result: dict[str, Any]) -> Feedback:
    if request.face is not None:
        raise InvalidRequest("a face of a video is named by its track, not by face")
    track = None if request.track is None else _track(request.track, job, result)
    scored = result if track is None else track
    model = result.get("model") or {}
    media = job.source.object if track is None else _keyframe(job, track)
    return Feedback(
        id=job.id,
        kind="job",
        label=request.label,
        created_at=0.0,
        owner=job.owner,
        track=request.track,
        name=job.source.name,
        digest=job.source.digest,
        verdict=scored.get("verdict"),
        fake_probability=scored.get("fake_probability"),
        model=model.get("name"),
        model_digest=model.get("digest"),
        object=media,
    )


def _track(track_id: str, job: Job, result: dict[str, Any]) -> dict[str, Any]:
    if job.kind == LIVE:
        raise InvalidRequest("the result of a live source has no tracks")
    tracks: list[dict[str, Any]] = [t for shot in result["shots"] for t in shot["tracks"]]
    found = next((each for each in tracks if each["id"] == track_id), None)
    if found is None:
        raise NotFound(f"the video has no track {track_id[:40]!r}")
    return found


def _keyframe(job: Job, track: dict[str, Any]) -> str | None:
    """Returns the object of a track's image with the highest score."""
    link: str | None = track.get("keyframe")
    return link and f"jobs/{job.id}/gallery/{link.rpartition('/')[2]}"
