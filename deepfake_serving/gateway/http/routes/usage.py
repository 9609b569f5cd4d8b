"""Usage of API keys by day."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import get_gateway
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.schemas import KeyUsage, UsageDocument
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
