"""Media as callers send them: a form, a body, or the URL of one, all as files that can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import orjson
from fastapi import Request

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    InvalidRequest,
    Problem,
    RefusedURL,
    TooLarge,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.context import Gateway, asked, gateway_of
from deepfake_serving.gateway.fetch.fetcher import WEB
from deepfake_serving.gateway.fetch.schemes import RTSP_SCHEMES, is_rtsp
from deepfake_serving.gateway.ingest.multipart import Form, shown_name
from deepfake_serving.gateway.jobs.submission import RemoteMedia
from deepfake_serving.gateway.storage.spool import Part, Spool

_MOST_JSON = 256 * 1024
_FETCHES = 4
"""URLs of one request that are fetched together."""

ToLink = Callable[[Gateway, str], RemoteMedia]


@asynccontextmanager
async def received(
    request: Request, *, most_files: int, file_bytes: int
) -> AsyncIterator[list[Part | Problem]]:
    """The media of a request, fetched where URLs were sent; what can't be fetched is a problem in
    its place. They are gone when the context ends.

    Raises:
        InvalidRequest, UnsupportedMediaType, TooLarge, StorageFull
    """
    room, deadline = asyncio.Semaphore(_FETCHES), asked(request).deadline
    with Spool(file_bytes) as spool:
        media = await _read(request, spool, most_files)
        yield await asyncio.gather(
            *(_fetched(gateway_of(request), medium, spool, room, deadline) for medium in media)
        )


@asynccontextmanager
async def sent(
    request: Request, *, file_bytes: int, live: bool = False
) -> AsyncIterator[Part | RemoteMedia]:
    """The one medium of a request; a URL is left to whom it may concern.

    Args:
        live: it is the URL of a live source.

    Raises:
        InvalidRequest, UnsupportedMediaType, TooLarge, StorageFull
    """

    def of_video(gateway: Gateway, url: str) -> RemoteMedia:
        return video_link(gateway, url, live)

    with Spool(file_bytes) as spool:
        (medium,) = await _read(request, spool, 1, of_video)
        if live and not isinstance(medium, RemoteMedia):
            raise InvalidRequest("live=true goes with the URL of a source")
        yield medium


@asynccontextmanager
async def streamed(chunks: AsyncIterator[bytes], name: str, file_bytes: int) -> AsyncIterator[Part]:
    """A medium that arrives in pieces over another protocol."""
    with Spool(file_bytes) as spool:
        part = spool.new(shown_name(name))
        async for chunk in chunks:
            part.write(chunk)
        if not part.size:
            raise InvalidRequest("the medium is empty")
        yield part


async def _read(
    request: Request, spool: Spool, most_files: int, to_link: ToLink | None = None
) -> list[Part | RemoteMedia]:
    """At least one."""
    content_type = request.headers.get("Content-Type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return await _links(request, most_files, to_link or link)
    if kind == "multipart/form-data":
        return [*await _form(request, content_type, spool, most_files)]
    if kind.startswith(("multipart/", "text/")) or kind == "application/x-www-form-urlencoded":
        raise UnsupportedMediaType(f"a medium can't be sent as {kind}: send a form, a body or JSON")
    name = shown_name(unquote(request.headers.get("X-Filename", "")))
    part = spool.new(name)
    _check_length(request, spool.most_bytes)
    async for chunk in request.stream():
        part.write(chunk)
    if not part.size:
        raise InvalidRequest("the body is empty; a medium was expected")
    return [part]


async def _form(request: Request, content_type: str, spool: Spool, most_files: int) -> list[Part]:
    form = Form(content_type, spool.new, most_files)
    async for chunk in request.stream():
        form.write(chunk)
    return form.finish()


async def _links(request: Request, most: int, to_link: ToLink) -> list[Part | RemoteMedia]:
    """`{"url": …}` or `{"urls": […]}`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_JSON:
            raise TooLarge(f"the JSON is larger than the bound of {_MOST_JSON} bytes")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from error
    urls = _urls(document)
    if len(urls) > most:
        raise TooLarge(f"{len(urls)} URLs in one request; the bound is {most}")
    return [to_link(gateway_of(request), url) for url in urls]


def _urls(document: Any) -> list[str]:
    given = document if isinstance(document, dict) else {}
    urls = [given["url"]] if "url" in given else given.get("urls")
    if not isinstance(urls, list) or not urls or not all(isinstance(u, str) for u in urls):
        raise InvalidRequest('the JSON is {"url": "…"} or {"urls": ["…"]}')
    return urls


def link(gateway: Gateway, url: str) -> RemoteMedia:
    """A URL that may be fetched, as far as that can be told now.

    Raises:
        RefusedURL
    """
    if gateway.fetcher is None:
        raise RefusedURL("media are not fetched from URLs here")
    gateway.fetcher.check(url)
    return RemoteMedia(url)


def video_link(gateway: Gateway, url: str, live: bool) -> RemoteMedia:
    """A URL of a video, or of a live source: RTSP always is one, HLS where it is said.

    Raises:
        RefusedURL
    """
    rtsp = is_rtsp(url)
    if not (live or rtsp):
        return link(gateway, url)
    if gateway.fetcher is None or not gateway.settings.source_enabled:
        raise RefusedURL("live sources are not followed here")
    gateway.fetcher.check(url, RTSP_SCHEMES if rtsp else WEB)
    return RemoteMedia(url, live=True)


async def _fetched(
    gateway: Gateway,
    medium: Part | RemoteMedia,
    spool: Spool,
    room: asyncio.Semaphore,
    deadline: float,
) -> Part | Problem:
    """What was sent, or what lies at a URL, or why it can't be had within the deadline."""
    if isinstance(medium, Part):
        return medium
    part = spool.new(shown_name(medium.url.partition("?")[0]))
    assert gateway.fetcher is not None
    try:
        async with asyncio.timeout_at(deadline), room:
            await gateway.fetcher.fetch(medium.url, part.write, spool.most_bytes)
    except TimeoutError:
        return DeadlineExceeded("the URL was not fetched within the request's deadline")
    except Problem as problem:
        return problem
    return part


def _check_length(request: Request, bound: int) -> None:
    """Refuses by the stated length, before the body is sent for nothing."""
    stated = request.headers.get("Content-Length", "0")
    if stated.isdigit() and int(stated) > bound:
        raise TooLarge(f"the body has {stated} bytes; the bound is {bound}")


_URL = {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}
_FILE = {"type": "string", "format": "binary"}


def _body(form: dict[str, Any], by_url: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/octet-stream": {"schema": _FILE},
            "application/json": {"schema": by_url},
        },
    }


_ONE = {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}
_MANY = {
    "type": "object",
    "properties": {"file": {"type": "array", "items": _FILE}},
    "required": ["file"],
}
_URLS = {
    "type": "object",
    "properties": {"urls": {"type": "array", "items": {"type": "string"}}},
    "required": ["urls"],
}
MEDIUM_BODY = _body(_ONE, _URL)
BATCH_BODY = _body(_MANY, _URLS)
"""How OpenAPI describes the bodies."""
