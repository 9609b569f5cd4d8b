"""Models from web servers and object stores, by obstore."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlsplit

import obstore
from obstore.store import GCSStore, HTTPStore, S3Store

from model_store.content import (
    CHUNK,
    CONNECT_S,
    STALL_S,
    Content,
    UnsupportedSource,
    refuse_plain_http,
)

if TYPE_CHECKING:
    from obstore import BytesStream, GetResult
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}


def open_http(source: str) -> Content:
    refuse_plain_http(source)
    # An https source must not lead to http by a redirect either, so http is allowed to http only.
    client = _client(allow_http=urlsplit(source).scheme == "http")
    store = HTTPStore(urldefrag(source).url, client_options=client, retry_config=_RETRY)
    return _object(store, "")  # the store is the file: a key would lose the URL's query


def open_s3(source: str) -> Content:
    bucket, key = _bucket_and_key(source)
    # obstore ignores this variable as soon as it is given any client options.
    asked = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes", "on"}
    return _object(S3Store(bucket, client_options=_client(asked), retry_config=_RETRY), key)


def open_gs(source: str) -> Content:
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
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "read_timeout": timedelta(seconds=STALL_S),
        "timeout": timedelta(days=1),  # of a whole transfer: 30 s by default, too short for a model
    }


def _object(store: ObjectStore, key: str) -> Content:
    """Reads on an event loop of its own: obstore's blocking calls hold up Ctrl-C until they end."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        result = runner.run(_get(store, key))
        stream = result.stream(min_chunk_size=CHUNK)
        chunks = iter(lambda: runner.run(_next(stream)), b"")
        return Content(result.meta["size"], chunks, stack.pop_all().close)


async def _get(store: ObjectStore, key: str) -> GetResult:
    return await obstore.get_async(store, key)


async def _next(stream: BytesStream) -> bytes:
    return await anext(stream, b"")
