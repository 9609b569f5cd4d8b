"""Videos as jobs: submitted, looked at until they have ended, deleted."""

from __future__ import annotations

import time

import gevent
from locust import task

from deepfake_serving.contracts.jobs import ENDED
from loadtest import checks
from loadtest.responses import Document, Refused, Wrong
from loadtest.users.base import HttpCaller

_JOB = "/v1/jobs/[id]"


class VideoJob(HttpCaller):
    """`POST /v1/videos`, `GET /v1/jobs/{id}` until it has ended, `DELETE`.

    A `JOB` takes from before the submission until its end was seen.
    """

    measure = ("JOB", "/v1/videos")

    @task
    def judge(self) -> None:
        video, begun = next(self.videos), time.perf_counter()
        job = self.ask(
            "POST",
            "/v1/videos",
            checks.job,
            expected=202,
            data=video.anew(),
            headers={"Content-Type": "video/mp4", "X-Filename": "load.mp4"},
        )
        if job is None:
            return  # counted already; there is no job
        try:
            checks.ended(self._followed(job, begun + self.options.job_timeout), video)
        except Wrong as wrong:
            self.count(*self.measure, time.perf_counter() - begun, wrong)
        else:
            self.count(*self.measure, time.perf_counter() - begun)
            self.ask("DELETE", f"/v1/jobs/{job['id']}", _nothing, name=_JOB, expected=204)

    def _followed(self, job: Document, until: float) -> Document:
        """The job as it was last seen: ended, or at that time. A refused look is no end of it."""
        while job["state"] not in ENDED and time.perf_counter() < until:
            gevent.sleep(self.options.poll)
            seen = self._looked_at(job["id"])
            if seen is None and not isinstance(self.trouble, Refused):
                raise Wrong("the job could not be followed")
            job = seen or job
        return job

    def _looked_at(self, job_id: str) -> Document | None:
        def check(document: Document) -> Document:
            return checks.job(document, job_id)

        return self.ask("GET", f"/v1/jobs/{job_id}", check, name=_JOB)


def _nothing(_: Document) -> None:
    """204 has no document."""
