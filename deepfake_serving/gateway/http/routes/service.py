"""What the service is and how it is: models, limits, probes, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from deepfake_serving.gateway.context import gateway_of
from deepfake_serving.gateway.http.dependencies import allow
from deepfake_serving.gateway.http.responses import json_reply
from deepfake_serving.runtime.version import NAME, VERSION

router = APIRouter(tags=["service"])


@router.get(
    "/v1/models", summary="What is served, and where", dependencies=[Depends(allow("models"))]
)
async def list_models(request: Request) -> Response:
    """Every model, with the digest of the archive that each pool serves it from."""
    served = gateway_of(request).upstream.pools.models()
    return json_reply(
        {
            "models": [
                {
                    "name": name,
                    "version": ref.version,
                    "digest": ref.digest,
                    "trained": ref.trained,
                    "pools": [{"name": p, "digest": r.digest} for p, r in by_pool.items()],
                }
                for name, by_pool in sorted(served.items())
                for ref in [next(iter(by_pool.values()))]
            ]
        }
    )


@router.get("/v1/info", summary="Version and bounds")
async def get_info(request: Request) -> dict[str, Any]:
    gateway = gateway_of(request)
    settings = gateway.settings
    return {
        "name": NAME,
        "version": VERSION,
        "auth": gateway.access.needed,
        "limits": {
            "max_image_bytes": settings.max_image_bytes,
            "max_batch_items": settings.max_batch_items,
            "max_video_bytes": settings.max_video_bytes,
            "max_video_s": settings.max_video_s,
            "stream_max_s": settings.live_max_duration_s,
        },
        "defaults": {
            "sampling": settings.video_sampling,
            "aggregation": settings.video_aggregation,
        },
        "urls": settings.fetch_urls,
    }


@router.get("/healthz", include_in_schema=False)
async def healthz() -> dict[str, bool]:
    return {"live": True}


@router.get("/readyz", include_in_schema=False)
async def readyz(request: Request) -> Response:
    """Ready where a model server is, and jobs can be kept."""
    gateway = gateway_of(request)
    reasons = await gateway.unready()
    return json_reply({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


@router.get("/metrics", include_in_schema=False, dependencies=[Depends(allow("admin"))])
async def metrics(request: Request) -> Response:
    body = gateway_of(request).metrics.exposition()
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")
