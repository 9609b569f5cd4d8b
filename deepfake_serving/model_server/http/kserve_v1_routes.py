"""REST routes of KServe's V1 protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from deepfake_serving.contracts import kserve_v1
from deepfake_serving.model_server.http.request_body import read_body
from deepfake_serving.model_server.http.responses import json_response
from deepfake_serving.model_server.prediction.predictor import Call, Predictor, Tensor
from deepfake_serving.runtime.request_scope import RequestScope
from model_handlers.wire import join_bytes

Route = Callable[..., web.RouteDef]


def routes(
    key: web.AppKey[Predictor],
    scope_key: web.RequestKey[RequestScope],
    deadline: Callable[[web.Request], float],
    get: Route,
    post: Route,
) -> list[web.RouteDef]:
    """Returns the routes.

    Args:
        key: the predictor's key in the application.
        scope_key: the key of the request's scope.
        deadline: returns the deadline of a request.
    """

    async def models(request: web.Request) -> web.Response:
        return json_response({"models": list(request.app[key].models)})

    async def ready(request: web.Request) -> web.Response:
        predictor = request.app[key]
        name = predictor.model(request.match_info["model"]).name
        return json_response({"name": name, "ready": predictor.state.model_ready(name)})

    async def predict(request: web.Request) -> web.Response:
        predictor, scope = request.app[key], request[scope_key]
        model, end = predictor.model(request.match_info["model"]), deadline(request)
        async with asyncio.timeout_at(end):
            body = await read_body(request, predictor.settings.max_body_bytes)
        images = await asyncio.to_thread(kserve_v1.read_instances, body)
        tensor = Tensor("BYTES", (len(images),), join_bytes(images))
        scope.note(model=model.name, bytes=len(body), items=tensor.shape[0])
        call = Call(model, tensor, scope.id, end, scope.traceparent)
        results = await predictor.many(call, scope, raise_lone=True)
        return json_response(kserve_v1.predictions(results))

    return [
        get("/v1/models", models),
        get("/v1/models/{model}", ready),
        post("/v1/models/{model}:predict", predict),
    ]
