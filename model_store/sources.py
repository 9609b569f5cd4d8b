"""Where a model's bytes come from: a file, https, S3, Google Cloud Storage or an OCI registry.

    models/a.mar, file:///models/a.mar    a local file
    https://host/a.mar?signature=…        also http:// on loopback; the answer must state its length
    s3://bucket/key                       AWS_* variables, also AWS_ENDPOINT_URL and AWS_ALLOW_HTTP
    gs://bucket/key                       GOOGLE_* variables, also GOOGLE_BASE_URL
    oci://host/repo:tag#a.mar             or @sha256:…; credentials from ~/.docker/config.json

Who is trusted over TLS is said in one place for all of them: the PEM file that SSL_CERT_FILE names
(as with OpenSSL, it replaces the system's store), else the system's store.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urlsplit

import obstore
import oras.auth
from obstore.exceptions import BaseError
from obstore.store import GCSStore, HTTPStore, S3Store
from oras.auth.token import TokenAuth
from oras.container import Container
from oras.defaults import annotation_title
from oras.provider import Registry
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

if TYPE_CHECKING:
    from obstore import BytesStream, GetResult
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_CHUNK = 2**20
_CONNECT_S, _STALL_S = 10, 60
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}


class FetchError(Exception):
    """A file that could not be fetched; the message names the source and the reason."""

    def __init__(self, message: str) -> None:
        """Takes out what may be secret in the message's URLs: queries (signatures), passwords."""
        super().__init__(re.sub(r"(?<=//)[^/@\s]+@|(?<=\?)[^\s)'\"]+", "…", message))


class SourceUnreachable(FetchError):
    """The source is not there, does not answer, refuses, or broke off."""


class UnsupportedSource(FetchError):
    """A source that can't be, or must not be, read at all."""


_CAUSE = re.compile(r'(?:message|error): "(.+)"|InvalidCertificate\(\s*(\w+)|source: (\w+),\n')
_HINTS = {
    "BadScheme": "it is plain http, which is refused (for S3 endpoints see AWS_ALLOW_HTTP)",
    "UnknownIssuer": "its certificate is of an unknown issuer (SSL_CERT_FILE names those known)",
}


@dataclass(frozen=True, slots=True)
class Content:
    """An open source: its size in bytes where known, its chunks (about 1 MiB), and its end."""

    size: int | None
    chunks: Iterator[bytes]
    close: Callable[[], None] = lambda: None


def open_source(source: str) -> Content:
    """Opens a source for reading once; its chunks raise `SourceUnreachable` where it breaks off.

    It blocks, so from within an event loop it is for a thread.

    Raises:
        SourceUnreachable: it is missing, or refuses, or can't be reached.
        UnsupportedSource: it is of no form listed above, or plain http beyond loopback.
    """
    scheme, separator, _ = source.partition("://")
    opener = _OPENERS.get(scheme.lower() if separator else "file")
    if opener is None:
        raise UnsupportedSource(f"{source}: neither a path nor one of {', '.join(_OPENERS)}")
    with _translated(source):
        content = opener(source)
    return replace(content, chunks=_guarded(source, content.chunks))


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        # `from None`: the cause's own text may hold a signed URL, and would be printed with it.
        raise SourceUnreachable(f"{source}: {_reason(error)}") from None


def _guarded(source: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _translated(source):
        yield from chunks


def _reason(error: Exception) -> str:
    """An error's first paragraph, with the innermost cause that obstore puts below it."""
    text, _, debug = str(error).partition("\n\nDebug source:")
    causes = ["".join(groups) for groups in _CAUSE.findall(debug)][-1:]
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
    return iter(lambda: stream.read(_CHUNK), b"")


def _http(source: str) -> Content:
    _refuse_plain_http(source)
    # An https source must not lead to http by a redirect either, so http is allowed to http only.
    client = _client(allow_http=urlsplit(source).scheme == "http")
    store = HTTPStore(urldefrag(source).url, client_options=client, retry_config=_RETRY)
    return _object(store, "")  # the store is the file: a key would lose the URL's query


def _s3(source: str) -> Content:
    bucket, key = _bucket_and_key(source)
    # obstore ignores this variable as soon as it is given any client options.
    asked = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes", "on"}
    return _object(S3Store(bucket, client_options=_client(asked), retry_config=_RETRY), key)


def _gs(source: str) -> Content:
    bucket, key = _bucket_and_key(source)
    return _object(GCSStore(bucket, client_options=_client(), retry_config=_RETRY), key)


def _bucket_and_key(source: str) -> tuple[str, str]:
    """Not parsed as a URL, because `#` and `?` are ordinary characters of a key."""
    match = re.fullmatch(r"\w+://([\w.-]+)/(.+)", source, re.ASCII)
    if match is None:
        raise UnsupportedSource(f"{source}: not of the form scheme://bucket/key")
    return match[1], match[2]


def _client(allow_http: bool = False) -> ClientConfig:
    return {
        "allow_http": allow_http,
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        "read_timeout": timedelta(seconds=_STALL_S),
        "timeout": timedelta(days=1),  # of a whole transfer: 30 s by default, too short for a model
    }


def _object(store: ObjectStore, key: str) -> Content:
    """Reads on an event loop of its own: obstore's blocking calls hold up Ctrl-C until they end."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        result = runner.run(_get(store, key))
        stream = result.stream(min_chunk_size=_CHUNK)
        chunks = iter(lambda: runner.run(_next(stream)), b"")
        return Content(result.meta["size"], chunks, stack.pop_all().close)


async def _get(store: ObjectStore, key: str) -> GetResult:
    return await obstore.get_async(store, key)


async def _next(stream: BytesStream) -> bytes:
    return await anext(stream, b"")


def _oci(source: str) -> Content:
    """One layer of an artifact; its manifest goes unchecked, because the file's digest is known."""
    reference, _, title = source.partition("://")[2].partition("#")
    host, container = reference.partition("/")[0], Container(reference)
    if container.registry != host:  # oras took the host for a part of the repository's name
        raise UnsupportedSource(f"{source}: not of the form oci://host[:port]/repo:tag")
    registry = _Registry(host)
    layer = _layer(source, registry.get_manifest(container), title)
    response = registry.get_blob(container, layer["digest"], stream=True)
    response.raise_for_status()
    return Content(layer.get("size"), response.iter_content(_CHUNK), response.close)


def _layer(source: str, manifest: dict[str, Any], title: str) -> dict[str, Any]:
    """The layer of that title, or the only one (image-spec: `org.opencontainers.image.title`)."""
    layers = {
        str((layer.get("annotations") or {}).get(annotation_title, layer["digest"])): layer
        for layer in manifest.get("layers") or []
    }
    if title not in layers and (title or len(layers) != 1):
        raise SourceUnreachable(f"{source}: choose one with #name from {sorted(layers)}")
    return layers[title] if title else next(iter(layers.values()))


class _Registry(Registry):  # type: ignore[misc]  # oras has no types
    """An OCI registry: plain http on loopback, as Docker has it, and TLS everywhere else."""

    def __init__(self, host: str) -> None:
        roots = ssl.get_default_verify_paths()  # honours SSL_CERT_FILE; requests itself does not
        super().__init__(
            insecure=is_loopback(urlsplit(f"//{host}").hostname),
            tls_verify=roots.cafile or roots.capath or True,
            auth_backend="as_challenged",
        )
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Adapter(max_retries=Retry(2, backoff_factor=0.2)))

    def do_request(self, *args: Any, **options: Any) -> Any:
        """Without oras's own retries, which sleep for 131 s in all, also where access is denied."""
        return Registry.do_request.__wrapped__(self, *args, **options)


class _Adapter(HTTPAdapter):
    """Bounds every wait, and keeps redirects and token servers to the rule on plain http."""

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        _refuse_plain_http(request.url)
        return super().send(request, *args, **options | {"timeout": (_CONNECT_S, _STALL_S)})


class _AsChallenged(TokenAuth):  # type: ignore[misc]  # oras has no types
    """Tokens, or the password itself where a registry asks for `Basic`; oras would need telling."""

    def authenticate_request(self, original: Any, headers: Any, refresh: bool = False) -> Any:
        if not original.headers.get("Www-Authenticate", "").lower().startswith("basic"):
            return super().authenticate_request(original, headers, refresh)
        known = getattr(self, "_basic_auth", None)
        return {**headers, "Authorization": f"Basic {known}"}, known is not None


oras.auth.auth_backends["as_challenged"] = _AsChallenged


def _refuse_plain_http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UnsupportedSource(f"{url}: plain http is for loopback only, use https")


_OPENERS: dict[str, Callable[[str], Content]] = {
    "file": _file,
    "http": _http,
    "https": _http,
    "s3": _s3,
    "gs": _gs,
    "oci": _oci,
}
