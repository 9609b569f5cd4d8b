"""Pictures: one, or a batch in which a bad one is a problem in its place."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.gateway.context import Gateway, asked, exchange_of, gateway_of, unless_left
from deepfake_serving.gateway.http.dependencies import allow
from deepfake_serving.gateway.http.examples import IMAGE, PROBLEM, shown
from deepfake_serving.gateway.http.responses import json_reply
from deepfake_serving.gateway.http.schemas import BatchDocument
from deepfake_serving.gateway.ingest.uploads import BATCH_BODY, MEDIUM_BODY, received
from deepfake_serving.gateway.upstream.batch import judge_all
from deepfake_serving.gateway.upstream.client import RequestContext

router = APIRouter(tags=["images"], dependencies=[Depends(allow("images"))])

_BATCH: dict[str, Any] = {
    "id": "90e816577f0e4c8f8b9c938eb762a469",
    "results": [{"name": "a.jpg", "verdict": IMAGE}, {"name": "b.txt", "problem": PROBLEM}],
}
Model = Annotated[str | None, Query(description="The detector to ask; the first one served.")]


@router.post(
    "/v1/images",
    summary="Judge every face of one picture",
    responses={200: shown(ImageVerdict, IMAGE)},
    openapi_extra={"requestBody": MEDIUM_BODY},
)
async def judge_image(request: Request, model: Model = None) -> Response:
    """The picture comes as a form's `file`, as the body itself, or as `{"url": …}`."""
    gateway, caller = gateway_of(request), asked(request)
    bound = gateway.settings.max_image_bytes
    async with received(request, most_files=1, file_bytes=bound) as media:
        (picture,) = media
        if isinstance(picture, Problem):
            raise picture
        name = model or gateway.upstream.detector()
        exchange_of(request).note(model=name, bytes=picture.size)
        body = await picture.content()
        answer = await unless_left(request, gateway.upstream.picture(body, name, caller))
    return Response(answer, media_type="application/json")


@router.post(
    "/v1/images/batch",
    summary="Judge several pictures",
    responses={200: shown(BatchDocument, _BATCH)},
    openapi_extra={"requestBody": BATCH_BODY},
)
async def judge_batch(request: Request, model: Model = None) -> Response:
    """The pictures come as a form's files, or as `{"urls": […]}`; results keep their order."""
    gateway, caller = gateway_of(request), asked(request)
    settings = gateway.settings
    async with received(
        request, most_files=settings.max_batch_items, file_bytes=settings.max_image_bytes
    ) as media:
        name = model or gateway.upstream.detector()
        exchange_of(request).note(model=name, items=len(media))
        pictures = [m if isinstance(m, Problem) else m.content for m in media]
        judging = judge_all(gateway.upstream, pictures, name, caller)
        results = await unless_left(request, judging)
    return json_reply(
        {
            "id": caller.id,
            "results": [
                _result(gateway, getattr(medium, "name", None), result, caller.part(n))
                for n, (medium, result) in enumerate(zip(media, results, strict=True))
            ],
        }
    )


def _result(
    gateway: Gateway, name: str | None, result: bytes | Problem, asked: RequestContext
) -> dict[str, Any]:
    if isinstance(result, Problem):
        gateway.metrics.problems.labels(result.slug).inc()
        return {"name": name, "problem": result.to_dict(asked.id)}
    return {"name": name, "verdict": orjson.Fragment(result)}
