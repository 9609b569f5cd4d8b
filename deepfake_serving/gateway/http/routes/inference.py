"""The Open Inference Protocol, proxied to a model server that serves the model.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import Enum
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from deepfake_serving.contracts.inference import images_of
from deepfake_serving.contracts.problems import TooLarge
from deepfake_serving.gateway.context import (
    cancel_on_disconnect,
    get_gateway,
    get_request_scope,
    request_context,
)
from deepfake_serving.gateway.http.dependencies import count_usage, require_scope
from deepfake_serving.gateway.http.openapi import oip_documents as oip
from deepfake_serving.gateway.http.openapi.request_bodies import INFER_BODY, INFER_LENGTH
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.schemas import Liveness
from deepfake_serving.gateway.storage.body_memory import Held
from deepfake_serving.gateway.upstream.client import UpstreamResponse

_TAGS: list[str | Enum] = ["open inference protocol"]

probes = APIRouter(tags=_TAGS)
"""Health: it needs no key, as /healthz and /readyz do."""
router = APIRouter(tags=_TAGS, dependencies=[Depends(require_scope("infer"))])

_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_HEADER_LENGTH = "Inference-Header-Content-Length"
_REQUEST_HEADERS = ("Content-Type", "Accept", _HEADER_LENGTH)
_RESPONSE_HEADERS = ("Content-Type", _HEADER_LENGTH)


@probes.get("/v2/health/live", summary="Server liveness", responses={200: {"model": Liveness}})
async def live() -> Response:
    """The gateway's own: it does not depend on a model server."""
    return json_response(Liveness(live=True))


@probes.get(
    "/v2/health/ready", summary="Server readiness", responses={200: {"model": oip.ServerReady}}
)
@router.get("/v2", summary="Server metadata", responses={200: {"model": oip.ServerMetadata}})
async def server(request: Request) -> Response:
    """Forwarded to a model server."""
    return await forward(request, None)


@probes.get(
    "/v2/models/{model}/ready",
    summary="Model readiness",
    responses={200: {"model": oip.ModelReady}},
)
@probes.get("/v2/models/{model}/versions/{version}/ready", include_in_schema=False)
@router.get(
    "/v2/models/{model}", summary="Model metadata", responses={200: {"model": oip.ModelMetadata}}
)
@router.get("/v2/models/{model}/versions/{version}", include_in_schema=False)
@router.post(
    "/v2/models/{model}/infer",
    summary="Inference",
    responses={200: {"model": oip.InferResponse, "content": _BINARY}},
    openapi_extra={"requestBody": INFER_BODY, "parameters": [INFER_LENGTH]},
)
@router.post("/v2/models/{model}/versions/{version}/infer", include_in_schema=False)
async def one_model(request: Request, model: str) -> Response:
    """Forwarded to a model server that serves the model."""
    get_request_scope(request).note(model=model)
    return await forward(request, model)


async def forward(request: Request, model: str | None) -> Response:
    """Forwards a request to a model server and returns its response."""
    if request.method != "POST":  # a client without a key could fill the memory of bodies
        return _response(await _send(request, model, b""))
    count_usage(request, "images", 1)
    with body_memory(request) as held:
        response = await _send(request, model, await read_body(request, held))
    count_usage(request, "images", images_of(response.headers.items()) - 1)  # those of a batch
    return _response(response)


async def _send(request: Request, model: str | None, body: bytes) -> UpstreamResponse:
    gateway = get_gateway(request)
    headers = {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
    sending = gateway.upstream.request(
        request.method,
        encoded_path(request),
        model,
        request_context(request),
        body or None,
        headers,
        raw=True,
    )
    return await cancel_on_disconnect(request, sending)


def _response(response: UpstreamResponse) -> Response:
    kept = {name: response.headers[name] for name in _RESPONSE_HEADERS if name in response.headers}
    return Response(response.body, response.status, kept)


def encoded_path(request: Request) -> str:
    """Returns the path as it is sent on. Its names are encoded again, or `%252F` would arrive as
    two of them."""
    return quote(request.scope["path"], safe="/:")


def body_memory(request: Request) -> AbstractContextManager[Held]:
    """Returns the memory of a request's body, of which its API key has a share."""
    memory, principal = get_gateway(request).body_memory, request.state.principal
    return memory.track(principal.id, principal.limits.share(memory.total))


async def read_body(request: Request, held: Held) -> bytes:
    """Reads a body into memory.

    Raises:
        TooLarge, Overloaded
    """
    max_bytes = get_gateway(request).settings.max_image_bytes
    chunks = []
    async for chunk in request.stream():
        held.add(len(chunk))
        if held.size > max_bytes:
            raise TooLarge(f"the body is larger than the limit of {max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
