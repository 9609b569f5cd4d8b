"""Videos as jobs: submitted, polled until they have ended, deleted."""

from __future__ import annotations

import time

import gevent
from locust import task

from deepfake_serving.contracts.jobs import ENDED
from loadtest import checks
from loadtest.responses import Document, InvalidResponse, Refused
from loadtest.users.base import HttpGatewayUser

_JOB = "/v1/jobs/[id]"


class VideoJob(HttpGatewayUser):
    """`POST /v1/videos`, `GET /v1/jobs/{id}` until it has ended, `DELETE`.

    A `JOB` is timed from its submission until its end is observed.
    """

    measure = ("JOB", "/v1/videos")

    @task
    def detect(self) -> None:
        video, begun = next(self.videos), time.perf_counter()
        job = self.request(
            "POST",
            "/v1/videos",
            checks.job_document,
            expected=202,
            data=video.unique_bytes(),
            headers={"Content-Type": "video/mp4", "X-Filename": "load.mp4"},
        )
        if job is None:
            return  # counted already; there is no job
        try:
            checks.finished_job(
                self._poll_until_ended(job, begun + self.options.job_timeout), video
            )
        except InvalidResponse as error:
            self.count(*self.measure, time.perf_counter() - begun, error)
        else:
            self.count(*self.measure, time.perf_counter() - begun)
            self.request("DELETE", f"/v1/jobs/{job['id']}", _no_content, name=_JOB, expected=204)

    def _poll_until_ended(self, job: Document, deadline: float) -> Document:
        """Polls until the job has ended or the deadline. A refused poll is retried."""
        while job["state"] not in ENDED and time.perf_counter() < deadline:
            gevent.sleep(self.options.poll)
            update = self._poll(job["id"])
            if update is None and not isinstance(self.error, Refused):
                raise InvalidResponse("the job could not be polled")
            job = update or job
        return job

    def _poll(self, job_id: str) -> Document | None:
        def check(document: Document) -> Document:
            return checks.job_document(document, job_id)

        return self.request("GET", f"/v1/jobs/{job_id}", check, name=_JOB)


def _no_content(_: Document) -> None:
    """Accepts a 204, which has no document."""
