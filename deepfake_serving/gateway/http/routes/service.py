"""The service itself: models, version and limits, probes, metrics."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Depends, Request, Response

from deepfake_serving.contracts.models import ModelInfo
from deepfake_serving.gateway.context import get_gateway
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.schemas import (
    DefaultsDocument,
    InfoDocument,
    LimitsDocument,
    Liveness,
    ModelDocument,
    ModelsDocument,
    PoolDocument,
    Readiness,
    ScaleDocument,
)
from deepfake_serving.runtime.version import NAME, VERSION

router = APIRouter(tags=["service"])


@router.get(
    "/v1/models",
    summary="Served models and their pools",
    responses={200: {"model": ModelsDocument}},
    dependencies=[Depends(require_scope("models"))],
)
async def list_models(request: Request) -> Response:
    """Every model, with the digest of the archive that each pool serves it from."""
    served = get_gateway(request).upstream.models()
    models = [_model(name, by_pool) for name, by_pool in sorted(served.items())]
    return json_response(ModelsDocument(models))


def _model(name: str, by_pool: Mapping[str, ModelInfo]) -> ModelDocument:
    first = next(iter(by_pool.values()))
    pools = [PoolDocument(pool, info.digest) for pool, info in by_pool.items()]
    return ModelDocument(
        name,
        first.version,
        first.digest,
        first.trained,
        pools,
        first.thresholds,
        first.card,
        first.task,
        first.cost,
        first.members,
        first.max_pixels,
    )


def _scale(name: str, by_pool: Mapping[str, ModelInfo]) -> ScaleDocument:
    first = next(iter(by_pool.values()))
    return ScaleDocument(
        name, first.thresholds, first.card, first.task, first.members, first.max_pixels
    )


@router.get("/v1/info", summary="Version and limits", responses={200: {"model": InfoDocument}})
async def get_info(request: Request) -> Response:
    """It needs no key: clients learn here whether one is required, and what the limits are."""
    gateway = get_gateway(request)
    settings, served = gateway.settings, gateway.upstream.models()
    return json_response(
        InfoDocument(
            name=NAME,
            version=VERSION,
            auth=gateway.authenticator.requires_key,
            limits=LimitsDocument(
                max_image_bytes=settings.max_image_bytes,
                max_batch_items=settings.max_batch_items,
                max_video_bytes=settings.max_video_bytes,
                max_video_s=settings.max_video_s,
                stream_max_s=settings.live_max_duration_s,
            ),
            defaults=DefaultsDocument(settings.video_sampling, settings.video_aggregation),
            urls=settings.fetch_urls,
            models=[_scale(name, by_pool) for name, by_pool in sorted(served.items())],
            feedback=settings.remember_images > 0,
            keeps_images=settings.retain_image_bytes > 0,
        )
    )


@router.get("/healthz", include_in_schema=False)
async def healthz() -> Response:
    return json_response(Liveness(live=True))


@router.get("/readyz", include_in_schema=False)
async def readyz(request: Request) -> Response:
    """Ready while a model server is up, or all pools may be empty. Without a job store that accepts
    writes only jobs fail: `degraded`."""
    gateway = get_gateway(request)
    reasons = gateway.unready_reasons()
    readiness = Readiness(not reasons, reasons, gateway.degraded_reasons())
    return json_response(readiness, 503 if reasons else 200)


@router.get("/metrics", include_in_schema=False, dependencies=[Depends(require_scope("admin"))])
async def metrics(request: Request) -> Response:
    body = get_gateway(request).metrics.exposition()
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")
