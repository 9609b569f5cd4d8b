"""Types of the gateway's settings, which check their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.runtime.webhook_signing import parse_secret
from deepfake_serving.video.sampling import Sampling


@dataclass(frozen=True, slots=True)
class MinDataRate:
    """The average data rate that a request body must have, apart from pauses."""

    max_pause_s: float
    """Total time that the client may pause; fast stretches restore it."""
    min_bytes_per_s: int


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_secret(value: str | None) -> str | None:
    if value is not None:
        parse_secret(value)
    return value


def _check_store(value: str) -> str:
    if not value.startswith(("sqlite:///", "redis://", "rediss://", "unix://")):
        raise ValueError("sqlite:///path or redis://… is expected")
    return value


def _check_objects(value: str) -> str:
    if not value.startswith(("file:///", "s3://")):
        raise ValueError("file:///folder or s3://bucket/prefix is expected")
    return value


def _check_sampling(value: str) -> str:
    try:
        return str(Sampling.parse(value))
    except InvalidRequest as error:
        raise ValueError(error.detail) from error


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Separated by commas."""
WebhookSecret = Annotated[str | None, AfterValidator(_check_secret)]
StoreURL = Annotated[str, AfterValidator(_check_store)]
ObjectsURL = Annotated[str, AfterValidator(_check_objects)]
SamplingText = Annotated[str, AfterValidator(_check_sampling)]
