"""The document of a job: times as text, and links in place of storage keys.

A result is stored with its links, as the JSON that responses contain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from deepfake_serving.contracts.jobs import ENDED, LIVE, Job
from deepfake_serving.contracts.video import Shot, VideoVerdict
from deepfake_serving.gateway.documents import (
    JobDocument,
    LinksDocument,
    ProblemDocument,
    SourceDocument,
    SummaryDocument,
    WebhookDocument,
)
from deepfake_serving.runtime.serialization import Raw, from_plain


def job_document(job: Job, result: VideoVerdict | None = None) -> JobDocument:
    """Builds the document of a job. HTTP responses insert the stored result: see `raw_result`."""
    created_at = _time(job.created_at)
    assert created_at is not None
    return JobDocument(
        id=job.id,
        kind=job.kind,
        state=job.state,
        created_at=created_at,
        started_at=_time(job.started_at),
        finished_at=_time(job.finished_at),
        attempt=job.attempt,
        source=SourceDocument(job.source.name, job.source.url, job.source.bytes, job.source.digest),
        options=job.options,
        progress=job.progress,
        problem=None if job.problem is None else from_plain(ProblemDocument, job.problem),
        summary=_summary(job),
        result=result,
        cached=job.cached,
        links=LinksDocument(
            self=f"/v1/jobs/{job.id}",
            events=f"/v1/jobs/{job.id}/events",
            media=f"/v1/jobs/{job.id}/media" if job.source.object else None,
            windows=f"/v1/jobs/{job.id}/windows" if job.kind == LIVE else None,
        ),
        webhook=_webhook(job),
    )


def _summary(job: Job) -> SummaryDocument | None:
    if job.summary is None:
        return None
    summary = from_plain(SummaryDocument, job.summary)
    return replace(summary, image=_linker(job.id)(summary.image))


def raw_result(result: bytes | None) -> Raw:
    """Returns the field `result` of a job's document for `to_json`."""
    return {} if result is None else {"result": result}


def _webhook(job: Job) -> WebhookDocument | None:
    """Returns the state of a job's webhook; None without one, or before it was recorded."""
    if job.delivery is not None:
        at = _time(job.delivery.last_attempt_at)
        return WebhookDocument(job.delivery.state, job.delivery.attempts, at)
    return WebhookDocument("waiting", 0, None) if job.webhook and job.state not in ENDED else None


def link_result(verdict: VideoVerdict, job_id: str) -> VideoVerdict:
    """Returns the verdict with this job's links in place of the names of its images.

    Links of another job are replaced too.
    """
    link = _linker(job_id)
    gallery = [path for path in map(link, verdict.gallery) if path is not None]
    return replace(verdict, shots=linked(verdict.shots, job_id), gallery=gallery)


def linked(shots: list[Shot], job_id: str) -> list[Shot]:
    """Returns shots with links in place of the names of their images."""
    link = _linker(job_id)
    return [shot.with_images(link) for shot in shots]


def _linker(job_id: str) -> Callable[[str | None], str | None]:
    return lambda image: image and f"/v1/jobs/{job_id}/gallery/{image_name(image)}"


def image_name(image: str) -> str:
    """Returns the name of an image of the gallery, which is the last part of its link."""
    return image.rpartition("/")[2]


def thumbnail(verdict: VideoVerdict) -> str | None:
    """Returns the name of an image of the gallery: the most suspicious face's, else a shot's."""
    tracks = [t for shot in verdict.shots for t in shot.tracks if t.keyframe is not None]
    highest = max(tracks, key=lambda track: track.fake_probability, default=None)
    strips = [shot.strip for shot in verdict.shots if shot.strip is not None]
    link = next(iter(strips), None) if highest is None else highest.keyframe
    return None if link is None else image_name(link)


def _time(seconds: float | None) -> str | None:
    """Formats a time as RFC 3339, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
