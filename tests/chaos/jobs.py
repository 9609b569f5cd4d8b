"""Jobs meanwhile: each must be accepted once, and end once and successfully."""

from __future__ import annotations

import struct
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

ENDED = {"succeeded", "failed", "dead", "cancelled"}
_PAUSE_S = 2.0


def _unique(video: bytes) -> bytes:
    """Returns an MP4 with a further box that players skip, so that no earlier result is reused."""
    return video + struct.pack(">I4s16s", 24, b"free", uuid.uuid4().bytes)


@dataclass
class JobResults:
    """Jobs by id: the last state seen. `refused` counts submissions that were repeated."""

    states: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    problems: list[str] = field(default_factory=list)


class JobClient:
    """Submits a short video, waits for its end, and so on, until the block ends.

    A submission that fails is repeated with the same `Idempotency-Key`: it must make one job.
    """

    def __init__(
        self, url: str, key: str, video: bytes, write: Callable[..., None], timeout_s: float = 900
    ) -> None:
        self.results = JobResults()
        self._url, self._video, self._write, self._timeout_s = url, video, write, timeout_s
        self._headers = {"Authorization": f"Bearer {key}"}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> JobClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * self._timeout_s)

    def check(self) -> None:
        """Compares with the list of the service: no other job, and no state that has changed."""
        listed: dict[str, str] = {}
        cursor: str | None = None
        while True:
            query = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = self._call("GET", "/v1/jobs", params=query).raise_for_status().json()
            listed |= {job["id"]: job["state"] for job in page["jobs"]}
            cursor = page["next"]
            if not cursor:
                break
        for job in listed.keys() | self.results.states.keys():
            seen, now = self.results.states.get(job), listed.get(job)
            if (seen, now) != ("succeeded", "succeeded"):
                self._problem(job, f"its client saw {seen}, the list has {now}")

    def _run(self) -> None:
        while not self._stop.is_set():
            job = self._submitted()
            if job is not None:
                self._wait(job)
            self._stop.wait(_PAUSE_S)

    def _submitted(self) -> str | None:
        key, end = str(uuid.uuid4()), time.monotonic() + self._timeout_s
        video = _unique(self._video)
        headers = {"Idempotency-Key": key, "Content-Type": "video/mp4"}
        while time.monotonic() < end:
            try:
                response = self._call("POST", "/v1/videos", headers=headers, content=video)
                if response.status_code == 202:
                    job: str = response.json()["id"]
                    self.results.states[job] = "queued"
                    return job
                problem = f"{response.status_code} {response.text}"
            except httpx.HTTPError as error:
                problem = repr(error)
            self.results.refused += 1
            self._write("refused job", problem=problem)
            time.sleep(_PAUSE_S)
        self._problem(key, f"not accepted within {self._timeout_s} s")
        return None

    def _wait(self, job: str) -> None:
        end = time.monotonic() + self._timeout_s
        while time.monotonic() < end:
            try:
                response = self._call("GET", f"/v1/jobs/{job}")
                if response.status_code == 200:
                    self.results.states[job] = response.json()["state"]
                elif response.status_code < 500:
                    self._problem(job, f"{response.status_code} {response.text}")
                    return
            except httpx.HTTPError:
                pass  # an event's; the state is what counts
            if self.results.states[job] in ENDED:
                self._write("job", id=job, document=response.json())
                return
            time.sleep(0.5)
        self._problem(job, f"still {self.results.states[job]} after {self._timeout_s} s")

    def _problem(self, job: str, problem: str) -> None:
        self.results.problems.append(f"{job}: {problem}")
        self._write("job problem", id=job, problem=problem)

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        with httpx.Client(timeout=30, trust_env=False) as client:
            return client.request(
                method,
                self._url + path,
                headers=self._headers | (headers or {}),
                content=content,
                params=params,
            )
