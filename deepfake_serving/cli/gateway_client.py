"""A client of a gateway: submits videos and watches jobs."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    Problem,
    UpstreamUnavailable,
    from_dict,
)

_SERVER_PREFIXES = ("http://", "https://")
_URL_PREFIXES = (*_SERVER_PREFIXES, "rtsp://", "rtsps://")
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 10, 60


class GatewayClient:
    """A gateway at a URL. Every method raises `Problem`."""

    def __init__(self, server: str, key: str | None = None) -> None:
        if not server.startswith(_SERVER_PREFIXES):
            raise InvalidRequest(f"a server's URL begins with http:// or https://: {server!r}")
        self.server = server.rstrip("/")
        self._session = requests.Session()
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def submit(
        self, video: str, options: dict[str, str], idempotency: str | None
    ) -> dict[str, Any]:
        """Submits a file, a URL or a live source; returns the job."""
        headers = {"Idempotency-Key": idempotency} if idempotency else {}
        if video.startswith(_URL_PREFIXES):
            return self._submit(params=options, json={"url": video}, headers=headers)
        path = Path(video)
        headers |= {"Content-Type": "application/octet-stream", "X-Filename": quote(path.name)}
        with path.open("rb") as stream:
            return self._submit(params=options, data=stream, headers=headers)

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yields the job now and after every change; the last one holds the result."""
        path = f"/v1/jobs/{quote(job_id)}/events"
        with self.request("GET", path, stream=True) as response:
            for line in response.iter_lines():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def _submit(self, **given: Any) -> dict[str, Any]:
        document: dict[str, Any] = self.request("POST", "/v1/videos", **given).json()
        return document

    def request(self, method: str, path: str, **given: Any) -> requests.Response:
        """Sends a request; returns the response if it succeeded."""
        timeout = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
        try:
            response = self._session.request(method, self.server + path, timeout=timeout, **given)
        except requests.RequestException as error:
            raise UpstreamUnavailable(f"{self.server} does not respond: {_reason(error)}") from None
        if response.ok:
            return response
        try:
            raise from_dict(response.json())
        except ValueError:
            raise Problem(f"{self.server} responded with status {response.status_code}") from None


def _reason(error: requests.RequestException) -> str:
    """Returns the operating system's reason, such as "Connection refused"."""
    if isinstance(error, requests.Timeout):
        return "no response in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            return "it has no TLS; use http://"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
