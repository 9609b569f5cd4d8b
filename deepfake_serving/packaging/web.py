"""Models from web servers, by requests, whose reads hear Ctrl-C at once."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urldefrag, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from deepfake_serving.packaging.content import (
    CHUNK,
    CONNECT_S,
    STALL_S,
    Content,
    UnsupportedSource,
    refuse_plain_http,
)

_RESUMES = 3
_BUSY = (429, 500, 502, 503, 504)


def open_http(source: str) -> Content:
    refuse_plain_http(source)
    with ExitStack() as opened:
        download = _Download(urldefrag(source).url, opened)
        return Content(download.size, download.chunks(), opened.pop_all().close)


def trusted() -> str | bool:
    """Who is trusted over TLS, as requests takes it; it heeds no SSL_CERT_FILE by itself."""
    roots = ssl.get_default_verify_paths()
    return roots.cafile or roots.capath or True


class Bounded(HTTPAdapter):
    """Bounds every wait, and keeps redirects and token servers to the rule on plain http.

    With `tls_only`, what began with https is not led to plain http on loopback either.
    """

    def __init__(self, tls_only: bool = False) -> None:
        super().__init__(max_retries=_retries())
        self._tls_only = tls_only

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        refuse_plain_http(request.url)
        if self._tls_only and urlsplit(request.url).scheme == "http":
            raise UnsupportedSource(f"{request.url}: https is led to plain http")
        return super().send(request, *args, **options | {"timeout": (CONNECT_S, STALL_S)})


def _retries() -> Retry:
    """Of requests. `Retry-After` is not heeded: it may name hours."""
    return Retry(
        3,
        backoff_factor=0.2,
        status_forcelist=_BUSY,
        raise_on_status=False,
        respect_retry_after_header=False,
    )


class _Download:
    """A file, read on where its connection broke off, if the server can say that it is the same.

    That is RFC 9110: Range (14.2), and If-Range with a strong ETag (13.1.5).
    """

    def __init__(self, url: str, opened: ExitStack) -> None:
        self._url, self._opened = url, opened
        self._session = opened.enter_context(requests.Session())
        adapter = Bounded(tls_only=urlsplit(url).scheme == "https")
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._answer = self._get()
        self._answer.raise_for_status()
        length = self._answer.headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() else None

    def chunks(self) -> Iterator[bytes]:
        done = resumed = 0
        while True:
            try:
                for chunk in self._answer.iter_content(CHUNK):
                    done += len(chunk)
                    yield chunk
                return
            except requests.RequestException:
                resumed += 1
                if resumed > _RESUMES or not self._resume(done):
                    raise

    def _resume(self, done: int) -> bool:
        """Whether the server goes on at that byte of the same file."""
        etag = self._answer.headers.get("ETag", "")
        if not etag.startswith('"'):  # absent, or weak
            return False
        self._answer = self._get({"Range": f"bytes={done}-", "If-Range": etag})
        begins = self._answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        return begins and self._answer.status_code == requests.codes.partial_content

    def _get(self, headers: dict[str, str] | None = None) -> requests.Response:
        """`identity`: the digest is that of the file itself."""
        answer = self._session.get(
            self._url,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            stream=True,
            verify=trusted(),
        )
        self._opened.callback(answer.close)
        return answer
