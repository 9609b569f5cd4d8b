"""API keys, and their usage by day."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.auth.keys import KeyEntry
from deepfake_serving.gateway.auth.rate_limits import RateLimitStatus
from deepfake_serving.gateway.context import get_gateway
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.schemas import (
    KeyDocument,
    KeysDocument,
    KeyUsage,
    RateDocument,
    UsageDocument,
)
from deepfake_serving.gateway.http.times import Day
from deepfake_serving.gateway.queue.usage import Unit

router = APIRouter(tags=["service"])


@router.get(
    "/v1/usage",
    summary="Usage of API keys on a day",
    responses={200: {"model": UsageDocument}},
)
async def get_usage(
    request: Request,
    principal: Annotated[Principal, Depends(require_scope(None))],
    day: Annotated[
        Day | None, Query(description="A day (UTC) of the last 40; today by default.")
    ] = None,
) -> Response:
    """The client's own key; all keys with the scope `admin`. It needs no scope, and is served to
    keys whose quotas are used up. Without API keys there is no usage."""
    authenticator = get_gateway(request).authenticator
    meter, limits = authenticator.usage, authenticator.daily_limits()
    shown = meter.today() if day is None else day.isoformat()
    used = await meter.read(shown) if authenticator.requires_key else {}
    keys = sorted(used.keys() | limits) if principal.sees_all else [str(principal.id)]
    documents = [_key_usage(key, used.get(key, {}), limits.get(key, {})) for key in keys]
    return json_response(UsageDocument(shown, meter.reset_s(), documents))


def _key_usage(key: str, used: dict[Unit, float], limits: dict[Unit, float]) -> KeyUsage:
    return KeyUsage(
        key=key,
        requests=round(used.get("requests", 0)),
        images=round(used.get("images", 0)),
        bytes=round(used.get("bytes", 0)),
        video_seconds=round(used.get("video_seconds", 0.0), 3),
        limits={str(unit): limit for unit, limit in limits.items()},
    )


@router.get(
    "/v1/keys",
    summary="API keys with their scopes and limits",
    responses={200: {"model": KeysDocument}},
    dependencies=[Depends(require_scope("admin"))],
)
async def list_keys(request: Request) -> Response:
    """Without their secrets, of which the gateway has only hashes. Keys are created and revoked in
    the key file, which the gateway only reads."""
    authenticator = get_gateway(request).authenticator
    keys = [_key(entry, status) for entry, status in await authenticator.keys()]
    return json_response(KeysDocument(authenticator.requires_key, keys))


def _key(entry: KeyEntry, status: RateLimitStatus | None) -> KeyDocument:
    return KeyDocument(
        id=entry.id,
        scopes=sorted(entry.scopes),
        rate=None if status is None else _rate(status),
        max_queued=entry.max_queued,
        max_streams=entry.max_streams,
        daily={str(unit): limit for unit, limit in entry.daily.limits().items()},
    )


def _rate(status: RateLimitStatus) -> RateDocument:
    return RateDocument(status.quota, status.window_s, status.remaining, status.reset_s)
