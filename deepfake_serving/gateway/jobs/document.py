"""A job as its owner is shown it: times as text, links instead of keys."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from deepfake_serving.contracts.jobs import LIVE, Job


def job_document(job: Job, result: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON of a job, with its result where it is given."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "attempt": job.attempt,
        "source": {
            "name": job.source.name,
            "url": job.source.url,
            "bytes": job.source.bytes,
            "digest": job.source.digest,
        },
        "options": job.options,
        "progress": dataclasses.asdict(job.progress),
        "problem": job.problem,
        "summary": job.summary,
        "result": None if result is None else _shown(result, job),
        "cached": job.cached,
        "links": {
            "self": f"/v1/jobs/{job.id}",
            "events": f"/v1/jobs/{job.id}/events",
            "media": f"/v1/jobs/{job.id}/media" if job.source.object else None,
            "windows": f"/v1/jobs/{job.id}/windows" if job.kind == LIVE else None,
        },
    }


def _shown(result: dict[str, Any], job: Job) -> dict[str, Any]:
    """The verdict with the names of its pictures as links; a live source's has none."""
    if job.kind == LIVE:
        return result
    gallery = [_link(name, job.id) for name in result["gallery"]]
    return linked(result, job.id) | {"gallery": gallery}


def linked(document: dict[str, Any], job_id: str) -> dict[str, Any]:
    """What has shots, with the names of their pictures as links."""

    def link(name: str | None) -> str | None:
        return None if name is None else _link(name, job_id)

    shots = [
        shot
        | {
            "strip": link(shot["strip"]),
            "tracks": [
                track
                | {
                    "keyframe": link(track["keyframe"]),
                    "median_frame": link(track["median_frame"]),
                }
                for track in shot["tracks"]
            ],
        }
        for shot in document["shots"]
    ]
    return document | {"shots": shots}


def _link(name: str, job_id: str) -> str:
    return f"/v1/jobs/{job_id}/gallery/{name}"


def _time(seconds: float | None) -> str | None:
    """RFC 3339, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
