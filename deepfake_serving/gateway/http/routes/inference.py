"""The Open Inference Protocol, passed through to a model server that serves the model.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from deepfake_serving.contracts.problems import TooLarge
from deepfake_serving.gateway.context import asked, exchange_of, gateway_of, unless_left
from deepfake_serving.gateway.http.dependencies import allow

router = APIRouter(tags=["open inference protocol"], dependencies=[Depends(allow("infer"))])

_LENGTH = "Inference-Header-Content-Length"
_PASSED = ("Content-Type", "Accept", _LENGTH)


@router.get("/v2", summary="The server's metadata")
@router.get("/v2/health/live", summary="Whether it lives")
@router.get("/v2/health/ready", summary="Whether it can infer")
async def server(request: Request) -> Response:
    return await _forward(request, None)


@router.get("/v2/models/{model}", summary="A model's metadata")
@router.get("/v2/models/{model}/ready", summary="Whether a model can infer")
@router.get("/v2/models/{model}/versions/{version}", include_in_schema=False)
@router.get("/v2/models/{model}/versions/{version}/ready", include_in_schema=False)
@router.post("/v2/models/{model}/infer", summary="Infer")
@router.post("/v2/models/{model}/versions/{version}/infer", include_in_schema=False)
async def one_model(request: Request, model: str) -> Response:
    exchange_of(request).note(model=model)
    return await _forward(request, model)


async def _forward(request: Request, model: str | None) -> Response:
    gateway = gateway_of(request)
    body = await read_bounded(request, gateway.settings.max_image_bytes)
    headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
    path = request.url.path
    sending = gateway.upstream.request(
        request.method, path, model, asked(request), body or None, headers, raw=True
    )
    answer = await unless_left(request, sending)
    kept = {
        name: answer.headers[name] for name in ("Content-Type", _LENGTH) if name in answer.headers
    }
    return Response(answer.body, answer.status, kept)


async def read_bounded(request: Request, limit: int) -> bytes:
    """The body.

    Raises:
        TooLarge
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body is larger than the bound of {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
