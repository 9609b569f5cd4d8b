"""Models from object stores, by obstore."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.store import GCSStore, S3Store

from deepfake_serving.packaging.source_content import (
    CHUNK,
    CONNECT_S,
    STALL_S,
    Content,
    UnsupportedSource,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}


def open_object(source: str) -> Content:
    """Opens `s3://bucket/key` or `gs://bucket/key`."""
    bucket, key = _bucket_and_key(source)
    return _object(bucket_store(source.partition(":")[0], bucket), key)


def bucket_store(scheme: str, bucket: str) -> ObjectStore:
    """Returns the store of a bucket, `scheme` being `s3` or `gs`.

    Credentials and endpoints come from the variables of the AWS and Google command lines.
    """
    if scheme == "gs":
        return GCSStore(bucket, client_options=_client(), retry_config=_RETRY)
    # obstore ignores this variable as soon as it is given any client options.
    allow_http = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes", "on"}
    return S3Store(bucket, client_options=_client(allow_http), retry_config=_RETRY)


def _bucket_and_key(source: str) -> tuple[str, str]:
    """Splits `scheme://bucket/key`, not as a URL: `#` and `?` are ordinary characters of a key."""
    match = re.fullmatch(r"\w+://([\w.-]+)/(.+)", source, re.ASCII)
    if match is None:
        raise UnsupportedSource(f"{source}: not of the form scheme://bucket/key")
    return match[1], match[2]


def _client(allow_http: bool = False) -> ClientConfig:
    return {
        "allow_http": allow_http,
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "read_timeout": timedelta(seconds=STALL_S),
        "timeout": timedelta(days=1),  # per transfer; the default of 30 s is too short for a model
    }


def _object(store: ObjectStore, key: str) -> Content:
    """Opens an object. Ctrl-C takes effect at the next chunk, or after STALL_S without one.

    obstore's asynchronous calls react sooner, but then one process in a hundred crashed at its end.
    """
    result = obstore.get(store, key)
    return Content(result.meta["size"], iter(result.stream(min_chunk_size=CHUNK)))
