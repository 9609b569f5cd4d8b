"""Triton's extensions of the Open Inference Protocol, and KServe's V1 predictions.

https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response

from deepfake_serving.gateway.context import (
    cancel_on_disconnect,
    get_gateway,
    get_request_scope,
    request_context,
)
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.openapi import oip_documents as oip
from deepfake_serving.gateway.http.openapi.request_bodies import INDEX_BODY, PREDICT_BODY
from deepfake_serving.gateway.http.routes.inference import (
    body_memory,
    encoded_path,
    forward,
    read_body,
)
from deepfake_serving.gateway.upstream.statistics import model_statistics, repository_index
from deepfake_serving.runtime.model_repository import ready_only, refuse_loading

_TAGS: list[str | Enum] = ["open inference protocol"]

router = APIRouter(tags=_TAGS, dependencies=[Depends(require_scope("infer"))])


@router.post(
    "/v2/repository/index",
    summary="Models and their states",
    responses={200: {"model": list[oip.IndexEntry]}},
    openapi_extra={"requestBody": INDEX_BODY},
)
async def index(request: Request) -> Response:
    """Every model that a replica serves or has served."""
    with body_memory(request) as held:
        ready = ready_only(await read_body(request, held))
    return _json(repository_index(get_gateway(request).upstream, ready))


@router.post("/v2/repository/models/{model}/{action}", include_in_schema=False)
async def load_model(model: str, action: Literal["load", "unload"]) -> Response:
    """Always 403: the settings of the model servers choose what is served."""
    raise refuse_loading()


@router.get("/v2/models", summary="Names of the models", responses={200: {"model": oip.ModelNames}})
async def list_model_names(request: Request) -> Response:
    """All models that are served now; `/v1/models` describes them."""
    return _json({"models": sorted(get_gateway(request).upstream.models())})


@router.get(
    "/v2/models/stats",
    summary="Statistics of all models",
    responses={200: {"model": oip.StatisticsResponse}},
)
async def all_statistics(request: Request) -> Response:
    """Sums over all replicas."""
    return await _statistics(request, None)


@router.get(
    "/v2/models/{model}/stats",
    summary="Statistics of a model",
    responses={200: {"model": oip.StatisticsResponse}},
)
@router.get("/v2/models/{model}/versions/{version}/stats", include_in_schema=False)
async def one_models_statistics(request: Request, model: str) -> Response:
    """Sums over the replicas that serve the model."""
    return await _statistics(request, model)


@router.get(
    "/v2/models/{model}/config",
    summary="Model configuration",
    responses={200: {"model": oip.ModelConfig}},
)
@router.get("/v2/models/{model}/versions/{version}/config", include_in_schema=False)
async def config(request: Request, model: str) -> Response:
    """Forwarded to a model server that serves the model."""
    get_request_scope(request).note(model=model)
    return await forward(request, model)


@router.post(
    "/v1/models/{model}:predict",
    summary="Predictions by KServe's V1 protocol",
    responses={200: {"model": oip.PredictResponse}},
    openapi_extra={"requestBody": PREDICT_BODY},
)
async def predict_v1(request: Request, model: str) -> Response:
    """Base64 images in JSON; the predictions of a detector are verdicts of images."""
    get_request_scope(request).note(model=model)
    return await forward(request, model)


async def _statistics(request: Request, model: str | None) -> Response:
    reading = model_statistics(
        get_gateway(request).upstream, encoded_path(request), model, request_context(request)
    )
    return _json(await cancel_on_disconnect(request, reading))


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
