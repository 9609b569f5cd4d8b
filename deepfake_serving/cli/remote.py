"""A gateway, asked from a terminal: videos submitted, jobs watched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from deepfake_serving.contracts.problems import Problem, UpstreamUnavailable, from_dict

_LINKS = ("http://", "https://", "rtsp://", "rtsps://")
_CONNECT_S, _SILENCE_S = 10, 60
"""Seconds until a connection, and between two signs of life."""


class Remote:
    """A gateway at a URL. Every method raises `Problem`."""

    def __init__(self, server: str, key: str | None = None) -> None:
        self.server = server.rstrip("/")
        self._session = requests.Session()
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def submit(
        self, video: str, options: dict[str, str], idempotency: str | None
    ) -> dict[str, Any]:
        """A file's path, a URL, or that of a live source → the job."""
        headers = {"Idempotency-Key": idempotency} if idempotency else {}
        if video.startswith(_LINKS):
            return self._submit(params=options, json={"url": video}, headers=headers)
        path = Path(video)
        headers |= {"Content-Type": "application/octet-stream", "X-Filename": quote(path.name)}
        with path.open("rb") as stream:
            return self._submit(params=options, data=stream, headers=headers)

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job now and after every change; the last one has ended and holds its result."""
        path = f"/v1/jobs/{quote(job_id)}/events"
        with self._answer("GET", path, stream=True) as answer:
            for line in answer.iter_lines():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def _submit(self, **given: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._answer("POST", "/v1/videos", **given).json()
        return document

    def _answer(self, method: str, path: str, **given: Any) -> requests.Response:
        try:
            answer = self._session.request(
                method, self.server + path, timeout=(_CONNECT_S, _SILENCE_S), **given
            )
        except requests.RequestException as error:
            raise UpstreamUnavailable(f"{self.server} does not answer: {error}") from error
        if answer.ok:
            return answer
        try:
            raise from_dict(answer.json())
        except ValueError:
            raise Problem(f"{self.server} answered {answer.status_code}") from None
