"""The images of a message, as bytes or by URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call
from deepfake_serving.gateway.ingest.multipart import too_many_media
from deepfake_serving.gateway.ingest.uploads import fetch_media, image_source
from deepfake_serving.gateway.upstream.batch import ImageSource
from deepfake_serving.gateway.upstream.client import RequestContext


@asynccontextmanager
async def read_images(
    images: Sequence[bytes],
    urls: Sequence[str],
    gateway: Gateway,
    call: Call,
    context: RequestContext,
) -> AsyncIterator[list[ImageSource]]:
    """Yields the images, or those that the URLs lead to, which are deleted when the context ends. A
    refused URL and a failed fetch are a problem at their position.

    Raises:
        InvalidRequest: there are both.
        TooLarge: there are too many URLs.
    """
    settings = gateway.settings
    if not urls:
        yield [_reader(image) for image in images]
        return
    if any(images):
        raise InvalidRequest("the message has images and URLs; it may have either")
    if len(urls) > settings.max_batch_items:
        raise too_many_media("URLs", settings.max_batch_items)
    async with fetch_media(
        urls,
        gateway.fetcher,
        deadline=context.deadline,
        max_bytes=settings.max_image_bytes,
        on_fetched=partial(gateway.authenticator.usage.add, call.principal.id, "bytes"),
    ) as media:
        yield [image_source(medium) for medium in media]


def _reader(image: bytes) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return image

    return read
