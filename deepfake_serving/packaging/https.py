"""Models from web servers, by requests, whose reads are interrupted by Ctrl-C at once."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from deepfake_serving.packaging.source_content import (
    CHUNK,
    CONNECT_S,
    STALL_S,
    Content,
    UnsupportedSource,
    refuse_plain_http,
)

_RESUMES = 3
_BUSY = (429, 500, 502, 503, 504)


def open_http(source: str, headers: Mapping[str, str] | None = None) -> Content:
    """Opens a URL; a redirect to another host does not get the header `Authorization`."""
    refuse_plain_http(source)
    opened = ExitStack()
    try:
        download = _Download(urldefrag(source).url, opened, headers or {})
    except BaseException:
        opened.close()
        raise
    return Content(download.size, download.chunks(), opened.close)  # of later connections too


def trusted() -> str | bool:
    """Returns the CA bundle as `verify` of requests, which ignores SSL_CERT_FILE by itself.

    A folder counts only if it has certificates by their hash, the names that OpenSSL looks for:
    some builds of Python name one that is empty, or holds a bundle. Then requests' own are used.
    """
    roots = ssl.get_default_verify_paths()
    hashed = roots.capath and any(Path(roots.capath).glob("*.[0-9]"))
    return roots.cafile or (roots.capath if hashed else None) or True


class Bounded(HTTPAdapter):
    """Sets timeouts, and applies the rule on plain http also to redirects and token servers.

    With `tls_only` a redirect from https to plain http is refused even on loopback.
    """

    def __init__(self, tls_only: bool = False) -> None:
        super().__init__(max_retries=_retries())
        self._tls_only = tls_only

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        refuse_plain_http(request.url)
        if self._tls_only and urlsplit(request.url).scheme == "http":
            raise UnsupportedSource(f"{request.url}: https redirects to plain http")
        return super().send(request, *args, **options | {"timeout": (CONNECT_S, STALL_S)})


def _retries() -> Retry:
    """Builds the retry policy. `Retry-After` is ignored, as it may be hours."""
    return Retry(
        3,
        backoff_factor=0.2,
        status_forcelist=_BUSY,
        raise_on_status=False,
        respect_retry_after_header=False,
    )


class _Download:
    """A download that resumes after a lost connection if the file is unchanged.

    See RFC 9110: Range (14.2), and If-Range with a strong ETag (13.1.5).
    """

    def __init__(self, url: str, opened: ExitStack, headers: Mapping[str, str]) -> None:
        self._url, self._opened = url, opened
        self._session = opened.enter_context(requests.Session())
        self._session.headers.update(headers)
        adapter = Bounded(tls_only=urlsplit(url).scheme == "https")
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._response = self._get()
        self._response.raise_for_status()
        length = self._response.headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() else None

    def chunks(self) -> Iterator[bytes]:
        done = resumed = 0
        while True:
            try:
                for chunk in self._response.iter_content(CHUNK):
                    done += len(chunk)
                    yield chunk
                return
            except requests.RequestException:
                resumed += 1
                if resumed > _RESUMES or not self._resume(done):
                    raise

    def _resume(self, done: int) -> bool:
        """Requests the rest of the file; returns whether the server sends it."""
        etag = self._response.headers.get("ETag", "")
        if not etag.startswith('"'):  # absent, or weak
            return False
        self._response = self._get({"Range": f"bytes={done}-", "If-Range": etag})
        continues = self._response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        return continues and self._response.status_code == requests.codes.partial_content

    def _get(self, headers: dict[str, str] | None = None) -> requests.Response:
        """Requests the file without compression, since the digest is that of the file itself."""
        response = self._session.get(
            self._url,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            stream=True,
            verify=trusted(),
        )
        self._opened.callback(response.close)
        return response
