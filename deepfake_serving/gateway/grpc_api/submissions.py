"""Requests for jobs in messages: their options, and the medium of an image."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast, get_args

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.ingest.links import media_link
from deepfake_serving.gateway.ingest.uploads import spool_chunks
from deepfake_serving.gateway.jobs.requests import ImageRequest, RemoteMedia, VideoRequest
from deepfake_serving.gateway.storage.spool import SpooledFile
from deepfake_serving.gateway.upstream.relative_boxes import BoxUnit


@asynccontextmanager
async def image_media(
    request: pb.SubmitImageRequest, gateway: Gateway
) -> AsyncIterator[SpooledFile | RemoteMedia]:
    """Yields the image as a file, which is deleted when the context ends, or the link to it.

    Raises:
        InvalidRequest, TooLarge, StorageFull, RefusedURL
    """
    if request.WhichOneof("source") == "url":
        yield media_link(request.url, gateway.fetcher)
        return

    async def content() -> AsyncIterator[bytes]:
        yield request.image

    max_bytes = gateway.settings.max_image_bytes
    async with spool_chunks(content(), request.name, max_bytes) as file:
        yield file


def image_request(request: pb.SubmitImageRequest) -> ImageRequest:
    """Returns the options of a job of an image."""
    return ImageRequest(
        request.model or None,
        box_unit(request),
        request.explain,
        request.provenance,
        request.webhook or None,
        request.idempotency_key or None,
        request.preview,
    )


def box_unit(
    request: pb.DetectImageRequest | pb.DetectBatchRequest | pb.SubmitImageRequest,
) -> BoxUnit:
    """Returns the unit of the boxes in the response."""
    return "relative" if request.relative_boxes else "pixels"


def video_request(options: pb.VideoOptions) -> VideoRequest:
    """Returns the options of a job of a video.

    Raises:
        InvalidRequest
    """
    aggregation = options.aggregation or None
    if aggregation not in (None, *get_args(Aggregation)):
        known = ", ".join(get_args(Aggregation))
        raise InvalidRequest(f"there is no aggregation {aggregation!r}; there are: {known}")
    return VideoRequest(
        options.sampling or None,
        options.shots if options.HasField("shots") else True,
        cast("Aggregation | None", aggregation),
        options.model or None,
        options.webhook or None,
        options.idempotency_key or None,
        options.explain,
    )
