"""Objects by their URLs, with one connection pool per bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from deepfake_serving.contracts.problems import InvalidRequest, UpstreamUnavailable
from deepfake_serving.packaging.object_store import bucket_store

_REMOTE = re.compile(r"((s3|gs)://([\w.-]+))(?:/(.*))?", re.ASCII | re.DOTALL)


def is_remote(path: str) -> bool:
    """Returns whether this is the URL of an object or a prefix, not a path."""
    return path.startswith(("s3://", "gs://"))


def locate(url: str) -> tuple[ObjectStore, str, str]:
    """Returns the store of a URL, the URL of its bucket, and the key or prefix within.

    Raises:
        InvalidRequest: it is not of the form `s3://bucket/prefix`.
    """
    match = _REMOTE.fullmatch(url)
    if match is None:
        raise InvalidRequest(f"{url} is not of the form s3://bucket/prefix")
    root, scheme, bucket, key = match.groups()
    return _bucket(scheme, bucket), root, (key or "").rstrip("/")


@contextmanager
def store_errors() -> Iterator[None]:
    """Raises `UpstreamUnavailable`, of one line, for errors of a store, such as a full disk."""
    try:
        yield
    except BaseError as error:
        reason = str(error).partition("\n")[0]
        raise UpstreamUnavailable(reason) from error


@lru_cache(maxsize=16)
def folder(path: str) -> ObjectStore:
    """Returns the store of a folder."""
    return LocalStore(path)


@lru_cache(maxsize=16)
def _bucket(scheme: str, bucket: str) -> ObjectStore:
    return bucket_store(scheme, bucket)
