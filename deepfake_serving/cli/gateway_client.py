"""A client of a gateway: sends images and videos, reads its lists, ends jobs."""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import requests

from deepfake_serving.cli.piped import input_path, seekable
from deepfake_serving.contracts.jobs import ENDED
from deepfake_serving.contracts.problems import (
    BY_TYPE,
    InvalidRequest,
    Problem,
    UpstreamUnavailable,
    from_dict,
)
from deepfake_serving.packaging.https import trusted

_SERVER_PREFIXES = ("http://", "https://")
_URL_PREFIXES = (*_SERVER_PREFIXES, "rtsp://", "rtsps://")
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 10, 60
_RECONNECT_S = 60.0
"""Time in which a job whose events ended early must be reached again."""
_PAUSE_S = 1.0
_MAX_PAUSE_S, _MAX_ATTEMPTS = 30, 10
"""The longest pause before an image is sent again, and how often it is sent."""
_DELETED = 204
_PAGE = 200
"""The most jobs of a page."""
_PASSING = (502, 503, 504)
"""Statuses of a gateway, or of a proxy before it, that is being replaced."""


class GatewayClient:
    """A gateway at a URL. Every method raises `Problem`."""

    def __init__(self, server: str, key: str | None = None) -> None:
        if not server.startswith(_SERVER_PREFIXES):
            raise InvalidRequest(f"a server's URL begins with http:// or https://: {server!r}")
        self.server = server.rstrip("/")
        self._session = requests.Session()
        self._session.verify = trusted()
        if key:
            self._session.headers["Authorization"] = f"Bearer {_header('API key', key)}"

    def submit(
        self, video: str, options: dict[str, str], idempotency: str | None
    ) -> dict[str, Any]:
        """Submits a file, a URL or a live source; returns the job."""
        headers = idempotency_header(idempotency)
        if video.startswith(_URL_PREFIXES):
            return self._send("/v1/videos", video, options, headers)
        return self._send("/v1/videos", input_path(Path(video)), options, headers)

    def detect(self, image: str, options: dict[str, str]) -> dict[str, Any]:
        """Returns the verdict of an image file or a URL. Sends it again where the gateway asks for
        that, after a pause.

        Raises:
            OSError: the file can't be read.
        """
        if image.startswith(_SERVER_PREFIXES):
            return self._detect(image, options)
        with seekable(input_path(Path(image))) as path:
            return self._detect(path, options)

    def _detect(self, medium: str | Path, options: dict[str, str]) -> dict[str, Any]:
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            try:
                return self._send("/v1/images", medium, options, {})
            except Problem as problem:
                pause_s = problem.retry_after_s
                if pause_s is None or pause_s > _MAX_PAUSE_S or attempt == _MAX_ATTEMPTS:
                    raise
                time.sleep(pause_s)
        raise AssertionError("the last attempt returned or raised")

    def jobs(self, filters: dict[str, str], limit: int) -> Iterator[dict[str, Any]]:
        """Yields up to so many jobs without their results, the newest first."""
        return self._pages("jobs", filters, limit)

    def feedback(self, limit: int) -> Iterator[dict[str, Any]]:
        """Yields up to so much feedback of all API keys, the newest first."""
        return self._pages("feedback", {}, limit)

    def give_feedback(self, body: dict[str, Any]) -> dict[str, Any]:
        """Labels a response; returns the feedback."""
        return self.fetch("POST", "/v1/feedback", "id", "label", json=body)

    def forget_image(self, image_id: str) -> None:
        """Deletes what is stored of an image response, with the feedback on it."""
        if not image_id:
            raise InvalidRequest("the id of the image is empty")
        self.request("DELETE", f"/v1/feedback/images/{quote(os.fsencode(image_id), safe='')}")

    def export_feedback(self, file: IO[bytes]) -> None:
        """Writes the feedback of all API keys, with the media, as a zip."""
        with self.request("GET", "/v1/feedback/export", stream=True) as response:
            try:
                for chunk in response.iter_content(2**16):
                    file.write(chunk)
            except requests.RequestException as error:
                raise self._broken(error) from None

    def usage(self, day: str | None) -> dict[str, Any]:
        """Returns the usage of a day (UTC), such as 2026-11-28; None: of today."""
        given = {"day": day} if day else {}
        return self.fetch("GET", "/v1/usage", "day", "keys", params=given)

    def _pages(self, name: str, filters: dict[str, str], limit: int) -> Iterator[dict[str, Any]]:
        """Yields up to so many entries of a list, which is fetched in pages."""
        cursor: dict[str, str] = {}
        while limit > 0:
            query = filters | cursor | {"limit": str(min(limit, _PAGE))}
            page = self.fetch("GET", f"/v1/{name}", name, "next", params=query)
            yield from page[name]
            if page["next"] is None:
                return
            limit -= len(page[name])
            cursor = {"cursor": page["next"]}

    def job(self, job_id: str) -> dict[str, Any]:
        """Returns a job, with its result where it has one."""
        return self._job("GET", _path(job_id))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancels a job that has not ended; returns the job."""
        return self._job("POST", _path(job_id) + "/cancel")

    def delete(self, job_id: str) -> None:
        """Deletes a job; one that has not ended is cancelled first, and its end is awaited."""
        while self.request("DELETE", _path(job_id)).status_code != _DELETED:
            for _ in self.watch(job_id):
                pass

    def _job(self, method: str, path: str) -> dict[str, Any]:
        return self.fetch(method, path, "id", "state", "progress")

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yields the job now and after every change; the last one has ended and holds the result.

        A gateway that is replaced ends its streams, so the next one is asked.
        """
        reached_s = None
        while True:
            try:
                for job in self._events(job_id):
                    reached_s = time.monotonic()
                    yield job
                    if job["state"] in ENDED:
                        return
            except Problem as problem:
                if reached_s is None or problem.status not in _PASSING:
                    raise
                if time.monotonic() - reached_s > _RECONNECT_S:
                    raise
            if reached_s is None:
                raise self._no_gateway()
            time.sleep(_PAUSE_S)

    def _events(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yields the jobs of a stream, which may end before the job has."""
        with self.request("GET", _path(job_id) + "/events", stream=True) as response:
            try:
                for line in response.iter_lines():
                    if line.startswith(b"data: "):
                        yield self._object(line.removeprefix(b"data: "), "state", "progress")
            except requests.RequestException as error:
                raise self._broken(error) from None

    def _send(
        self, path: str, medium: str | Path, options: dict[str, str], headers: dict[str, str]
    ) -> dict[str, Any]:
        """Sends a file, or a URL as a string; returns the document of the response."""
        if isinstance(medium, str):
            given = {"url": medium}
            return self.fetch("POST", path, "id", params=options, json=given, headers=headers)
        name = quote(os.fsencode(medium.name))
        headers = headers | {"Content-Type": "application/octet-stream", "X-Filename": name}
        with medium.open("rb") as stream:
            return self.fetch("POST", path, "id", params=options, data=stream, headers=headers)

    def models(self) -> list[dict[str, Any]]:
        """Returns the documents of the models."""
        models: list[dict[str, Any]] = self.fetch("GET", "/v1/models", "models")["models"]
        return models

    def fetch(self, method: str, path: str, *members: str, **given: Any) -> dict[str, Any]:
        """Sends a request; returns the JSON object of the response, which has these members."""
        return self._object(self.request(method, path, **given).content, *members)

    def request(self, method: str, path: str, **given: Any) -> requests.Response:
        """Sends a request; returns the response if it succeeded."""
        timeout = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
        try:
            response = self._session.request(method, self.server + path, timeout=timeout, **given)
        except ValueError:  # of requests, urllib3 or the codec of host names
            raise InvalidRequest(f"not the URL of a server: {self.server!r}") from None
        except requests.RequestException as error:
            raise UpstreamUnavailable(f"{self.server} does not respond: {_reason(error)}") from None
        if not response.ok:
            raise self._problem(response)
        return response

    def _problem(self, response: requests.Response) -> Problem:
        try:
            document = self._object(response.content, "type", "detail")
        except Problem:
            document = {}
        if str(document.get("type")) in BY_TYPE:
            return from_dict(document)
        kind = UpstreamUnavailable if response.status_code in _PASSING else Problem
        return kind(f"{self.server} responded with status {response.status_code}")

    def _object(self, body: bytes, *members: str) -> dict[str, Any]:
        """Returns the JSON object of a response, which has these members."""
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or not document.keys() >= set(members):
            raise self._no_gateway()
        return document

    def _broken(self, error: requests.RequestException) -> Problem:
        return UpstreamUnavailable(f"{self.server} does not respond any more: {_reason(error)}")

    def _no_gateway(self) -> Problem:
        return Problem(f"{self.server} does not respond as a gateway does")


def idempotency_header(key: str | None) -> dict[str, str]:
    """Returns the header of an idempotency key; none without one. Raises `InvalidRequest`."""
    return {"Idempotency-Key": _header("idempotency key", key)} if key else {}


def _path(job_id: str) -> str:
    if not job_id:  # would be the path of all jobs
        raise InvalidRequest("the id of the job is empty")
    return f"/v1/jobs/{quote(os.fsencode(job_id), safe='')}"


def _header(what: str, value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise InvalidRequest(f"the {what} has a character that is not printable ASCII")
    return value


def _reason(error: requests.RequestException) -> str:
    """Returns the operating system's reason, such as "Connection refused"."""
    if isinstance(error, requests.Timeout):
        return "no response in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            return "it has no TLS; use http://"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{cause.verify_message} (SSL_CERT_FILE names trusted authorities)"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
