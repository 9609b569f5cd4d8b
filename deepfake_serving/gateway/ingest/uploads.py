"""Media of a request, spooled: the files of a form, a body, or what URLs lead to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import Request

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    InvalidRequest,
    Problem,
    TooLarge,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.ingest.file_names import display_name, header_name
from deepfake_serving.gateway.ingest.json_body import read_json
from deepfake_serving.gateway.ingest.links import media_link, read_urls, uploaded_media
from deepfake_serving.gateway.ingest.multipart import FormReader
from deepfake_serving.gateway.jobs.requests import RemoteMedia, UploadedMedia
from deepfake_serving.gateway.storage.spool import Spool, SpooledFile
from deepfake_serving.gateway.upstream.batch import ImageSource

_MAX_CONCURRENT_FETCHES = 4
"""Concurrent fetches of one request."""

_CONTENT_TYPES = (
    "send a form (multipart/form-data), a file as such (image/jpeg, application/octet-stream) "
    "or a URL as application/json"
)

LinkFactory = Callable[[str], RemoteMedia]


@asynccontextmanager
async def read_media(
    request: Request,
    fetcher: Fetcher | None,
    *,
    deadline: float,
    max_files: int,
    max_bytes: int,
    on_fetched: Callable[[int], object],
) -> AsyncIterator[list[SpooledFile | Problem]]:
    """Reads the media of a request and fetches those named by URL. A refused URL and a failed fetch
    are a problem at their position. The files are deleted when the context ends.

    Args:
        deadline: of the fetches, on the event loop's clock.
        max_bytes: limits each file.
        on_fetched: called with the bytes of each fetch, also of a failed one.

    Raises:
        InvalidRequest, UnsupportedMediaType, TooLarge, StorageFull
    """
    with Spool(max_bytes) as spool:
        media = await _read(request, spool, max_files, lambda url: media_link(url, fetcher))
        yield await _fetch_all(media, fetcher, spool, deadline, on_fetched)


@asynccontextmanager
async def fetch_media(
    urls: Sequence[str],
    fetcher: Fetcher | None,
    *,
    deadline: float,
    max_bytes: int,
    on_fetched: Callable[[int], object],
) -> AsyncIterator[list[SpooledFile | Problem]]:
    """Fetches media that were named by URL over another protocol, as `read_media` does."""
    with Spool(max_bytes) as spool:
        media = [_link_or_problem(lambda url: media_link(url, fetcher), url) for url in urls]
        yield await _fetch_all(media, fetcher, spool, deadline, on_fetched)


def image_source(medium: SpooledFile | Problem) -> ImageSource:
    """Returns an image of a batch; an empty file is a problem."""
    if isinstance(medium, Problem):
        return medium
    return medium.content if medium.size else InvalidRequest("the file is empty")


@asynccontextmanager
async def read_single_medium(
    request: Request, link: LinkFactory, *, max_bytes: int, uploads: bool = False
) -> AsyncIterator[SpooledFile | RemoteMedia | UploadedMedia]:
    """Reads the only medium of a request; one named by URL is not fetched.

    Args:
        uploads: whether it may be a resumable upload.

    Raises:
        InvalidRequest, UnsupportedMediaType, TooLarge, StorageFull, RefusedURL
    """
    with Spool(max_bytes) as spool:
        if uploads and _kind(request) == "application/json":
            document = await read_json(request)
            yield uploaded_media(document) or link(read_urls(document, 1)[0])
            return
        (medium,) = await _read(request, spool, 1, link)
        if isinstance(medium, Problem):
            raise medium
        yield medium


@asynccontextmanager
async def spool_chunks(
    chunks: AsyncIterator[bytes], name: str, max_bytes: int
) -> AsyncIterator[SpooledFile]:
    """Spools a file that arrives in chunks over another protocol."""
    with Spool(max_bytes) as spool:
        file = spool.create(display_name(name))
        async for chunk in chunks:
            file.write(chunk)
        if not file.size:
            raise InvalidRequest("the file is empty")
        yield file


async def _read(
    request: Request, spool: Spool, max_files: int, link: LinkFactory
) -> list[SpooledFile | RemoteMedia | Problem]:
    """Reads at least one medium, by the request's content type."""
    kind = _kind(request)
    if kind == "application/json":
        urls = read_urls(await read_json(request), max_files)
        return [_link_or_problem(link, url) for url in urls]
    if kind == "multipart/form-data":
        return [*await _read_form(request, request.headers["Content-Type"], spool, max_files)]
    if kind.startswith(("multipart/", "text/")) or kind == "application/x-www-form-urlencoded":
        raise UnsupportedMediaType(f"the Content-Type is {kind}; {_CONTENT_TYPES}")
    return [await _read_body(request, spool)]


def _kind(request: Request) -> str:
    """Returns the media type of the body, without its parameters."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _link_or_problem(link: LinkFactory, url: str) -> RemoteMedia | Problem:
    try:
        return link(url)
    except Problem as problem:
        return problem


async def _read_form(
    request: Request, content_type: str, spool: Spool, max_files: int
) -> list[SpooledFile]:
    form = FormReader(content_type, spool.create, max_files)
    async for chunk in request.stream():
        form.write(chunk)
    files = form.finish()
    if max_files == 1 and not files[0].size:
        raise InvalidRequest("the file is empty")
    return files


async def _read_body(request: Request, spool: Spool) -> SpooledFile:
    file = spool.create(display_name(header_name(request.headers.get("X-Filename", ""))))
    _check_length(request, spool.max_bytes)
    async for chunk in request.stream():
        file.write(chunk)
    if not file.size:
        raise InvalidRequest("the body is empty; a media file was expected")
    return file


async def _fetch_all(
    media: Sequence[SpooledFile | RemoteMedia | Problem],
    fetcher: Fetcher | None,
    spool: Spool,
    deadline: float,
    on_fetched: Callable[[int], object],
) -> list[SpooledFile | Problem]:
    """Returns the media with those fetched that are named by URL."""
    slots = asyncio.Semaphore(_MAX_CONCURRENT_FETCHES)

    async def fetch(medium: SpooledFile | RemoteMedia | Problem) -> SpooledFile | Problem:
        if not isinstance(medium, RemoteMedia):
            return medium
        assert fetcher is not None
        try:
            async with asyncio.timeout_at(deadline), slots:
                return await _fetch(fetcher, medium.url, spool, on_fetched)
        except TimeoutError:
            return DeadlineExceeded("the URL was not fetched within the request's deadline")
        except Problem as problem:
            return problem

    return await asyncio.gather(*(fetch(medium) for medium in media))


async def _fetch(
    fetcher: Fetcher, url: str, spool: Spool, on_fetched: Callable[[int], object]
) -> SpooledFile:
    file = spool.create(display_name(url.partition("?")[0]))
    try:
        await fetcher.fetch(url, file.write, spool.max_bytes)
    finally:
        on_fetched(file.size)
    return file


def _check_length(request: Request, max_bytes: int) -> None:
    """Refuses by Content-Length, before the body is sent in vain."""
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > max_bytes:
        raise TooLarge(f"the body has {length} bytes; the limit is {max_bytes}")
