"""REST routes of Triton's extensions of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from deepfake_serving.model_server.http.request_body import read_body
from deepfake_serving.model_server.http.responses import json_response
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction import oip_extensions
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.runtime.model_repository import ready_only, refuse_loading

_MAX_BYTES = 64 * 1024

Route = Callable[..., web.RouteDef]


def routes(key: web.AppKey[Predictor], get: Route, post: Route) -> list[web.RouteDef]:
    """Returns the routes; `key` is that of the predictor in the application."""

    def model(request: web.Request) -> ServedModel:
        found = request.match_info
        return request.app[key].model(found["model"], found.get("version", ""))

    async def index(request: web.Request) -> web.Response:
        ready = ready_only(await read_body(request, _MAX_BYTES))
        return json_response(oip_extensions.repository_index(request.app[key], ready))

    async def models(request: web.Request) -> web.Response:
        return json_response({"models": list(request.app[key].models)})

    async def config(request: web.Request) -> web.Response:
        return json_response(oip_extensions.model_config(model(request)))

    async def statistics(request: web.Request) -> web.Response:
        found = request.match_info
        name, version = found.get("model", ""), found.get("version", "")
        return json_response(oip_extensions.statistics(request.app[key], name, version))

    async def refuse(_: web.Request) -> web.Response:
        raise refuse_loading()

    one = "/v2/models/{model}"
    paths = (one, one + "/versions/{version}")
    return [
        post("/v2/repository/index", index),
        post("/v2/repository/models/{model}/{action:load|unload}", refuse),
        get("/v2/models", models),
        get("/v2/models/stats", statistics),
        *(get(path + "/config", config) for path in paths),
        *(get(path + "/stats", statistics) for path in paths),
    ]
