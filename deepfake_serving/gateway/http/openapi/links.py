"""Links from a response to the operations that its job can be used with (OpenAPI 3.1, 4.8.20)."""

from __future__ import annotations

from typing import Any


def _link(operation: str, job: str, description: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {"job_id": job}, "description": description}


def _links(job: str) -> dict[str, Any]:
    return {
        "read": _link("get_job", job, "The job with its result."),
        "watch": _link("watch_job", job, "Its progress as events."),
        "windows": _link("list_windows", job, "The windows of its live source."),
        "media": _link("get_media", job, "Its media file."),
        "delete": _link("delete_job", job, "Cancels the job, or deletes it when it has ended."),
    }


LINKS: dict[tuple[str, str], dict[str, Any]] = {
    ("submit_video", "202"): _links("$response.body#/id"),
    ("detect_image", "202"): _links("$response.body#/id"),
    ("list_jobs", "200"): _links("$response.body#/jobs/0/id"),
}
"""Links by operation and status."""
