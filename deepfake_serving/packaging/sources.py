"""Sources of a model: a file, https, a hub, S3, Google Cloud Storage or an OCI registry.

    models/a.mar, file:///models/a.mar    a local file
    https://host/a.mar?signature=…        also http:// on loopback
    hf://owner/name@revision/path       Hugging Face's hub, or the one that HF_ENDPOINT names
    s3://bucket/key                       AWS_* variables, also AWS_ENDPOINT_URL and AWS_ALLOW_HTTP
    gs://bucket/key                       GOOGLE_* variables, also GOOGLE_BASE_URL
    oci://host/repo:tag#a.mar             or @sha256:…; credentials from ~/.docker/config.json

All of them trust the certificate authorities in the PEM file that SSL_CERT_FILE names (as with
OpenSSL, it replaces the system's store), else those of the system.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError

from deepfake_serving.packaging.https import open_http
from deepfake_serving.packaging.hub import open_hub
from deepfake_serving.packaging.object_store import open_object
from deepfake_serving.packaging.oci import open_oci
from deepfake_serving.packaging.source_content import (
    CHUNK,
    Content,
    SourceUnreachable,
    UnsupportedSource,
)

_CAUSE = re.compile(r'(?:message|error): "(.+)"|InvalidCertificate\(\s*(\w+)|source: (\w+),\n')
_HINTS = {
    "BadScheme": "plain http is refused (for S3 endpoints see AWS_ALLOW_HTTP)",
    "UnknownIssuer": "its certificate has an unknown issuer (SSL_CERT_FILE names trusted ones)",
}


def open_source(source: str) -> Content:
    """Opens a source for reading once; its chunks raise `SourceUnreachable` if it breaks off.

    Blocks: within an event loop, call it in a thread.

    Raises:
        SourceUnreachable: it is missing, refuses access, or can't be reached.
        UnsupportedSource: it has none of the forms above, or is plain http beyond loopback.
    """
    scheme, separator, _ = source.partition("://")
    opener = _OPENERS.get(scheme.lower() if separator else "file")
    if opener is None:
        raise UnsupportedSource(f"{source}: neither a path nor one of {', '.join(_OPENERS)}")
    with _translated(source):
        content = opener(source)
    return replace(content, chunks=_guarded(source, content.chunks))


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        # `from None`: the cause's text may contain a signed URL, and would be printed with it.
        raise SourceUnreachable(f"{source}: {_reason(error)}") from None


def _guarded(source: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _translated(source):
        yield from chunks


def _reason(error: Exception) -> str:
    """Returns an error's first paragraph, with the innermost cause that obstore adds."""
    text, _, debug = str(error).partition("\n\nDebug source:")
    causes = ["".join(groups) for groups in _CAUSE.findall(debug)][-1:]
    causes += ["UnknownIssuer"] if "CERTIFICATE_VERIFY_FAILED" in text else []  # requests' message
    return ": ".join([text.rstrip(": "), *(_HINTS.get(cause, cause) for cause in causes)])


def _file(source: str) -> Content:
    parts = urlsplit(source) if "://" in source else None
    if parts and parts.netloc not in {"", "localhost"}:
        raise UnsupportedSource(f"{source}: a file's URL has three slashes, file:///path")
    path = Path(unquote(parts.path) if parts else source)
    if not path.is_file():
        raise SourceUnreachable(f"{source}: no such file")
    stream = path.open("rb")
    return Content(os.fstat(stream.fileno()).st_size, _read(stream), stream.close)


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK), b"")


_OPENERS: dict[str, Callable[[str], Content]] = {
    "file": _file,
    "http": open_http,
    "https": open_http,
    "hf": open_hub,
    "s3": open_object,
    "gs": open_object,
    "oci": open_oci,
}
