"""Analyses images by a gateway, several at a time and in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from deepfake_serving.cli.gateway_client import GatewayClient
from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    RefusedURL,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
from deepfake_serving.contracts.reasons import reason_of

_CONCURRENT = 4
"""Requests at once. The model server makes batches of them."""
_OF_ONE_IMAGE = (
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    RefusedURL,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
"""Problems that the next image need not have."""


def documents(
    client: GatewayClient, images: Sequence[str], options: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Yields a document per image, in order: its verdict or its problem, and `file`.

    Args:
        images: paths or URLs.

    Raises:
        Problem: one that all further images would have.
    """
    sent = deque[Future[dict[str, Any]]]()
    with ThreadPoolExecutor(_CONCURRENT) as threads:
        try:
            for image in images:
                sent.append(threads.submit(_document, client, image, options))
                if len(sent) > _CONCURRENT:
                    yield sent.popleft().result()
            while sent:
                yield sent.popleft().result()
        finally:
            for waiting in sent:
                waiting.cancel()


def _document(client: GatewayClient, image: str, options: dict[str, str]) -> dict[str, Any]:
    file = {"file": os.fsencode(image).decode(errors="backslashreplace")}
    try:
        return file | client.detect(image, options)
    except _OF_ONE_IMAGE as problem:
        return file | problem.to_dict()
    except OSError as error:
        return file | InvalidRequest(f"the file can't be read: {reason_of(error)}").to_dict()
