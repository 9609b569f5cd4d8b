"""REST: predictions, the Open Inference Protocol and the probes. Problems are RFC 9457."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from deepfake_serving.contracts.problems import (
    MEDIA_TYPE,
    DeadlineExceeded,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotReady,
    Problem,
)
from deepfake_serving.model_server.http.oip_routes import read_request, write_response
from deepfake_serving.model_server.http.request_body import read_body, read_image
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction import oip
from deepfake_serving.model_server.prediction.predictor import Call, Predictor
from deepfake_serving.model_server.state import Phase
from deepfake_serving.runtime.http_problems import problem_body, problem_headers
from deepfake_serving.runtime.request_scope import CANCELLED, RequestScope, as_problem
from deepfake_serving.runtime.request_timeout import parse_timeout
from deepfake_serving.runtime.version import NAME, VERSION

_PREDICTOR = web.AppKey("predictor", Predictor)
_EXCHANGE = web.RequestKey("exchange", RequestScope)
_QUIET = ("/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
"""Probes: neither counted nor logged, as they would drown what callers do."""


def build_app(predictor: Predictor) -> web.Application:
    """The application; start it with `handler_cancellation`, so that who hangs up is not served."""
    app = web.Application(middlewares=[_exchange], client_max_size=2**31)
    app[_PREDICTOR] = predictor
    one = "/v2/models/{model}"
    versioned = one + "/versions/{version}"
    get = partial(web.get, expect_handler=_expected)
    post = partial(web.post, expect_handler=_expected)
    app.add_routes(
        [
            get("/", _index),
            get("/healthz", _healthz),
            get("/readyz", _readyz),
            post("/predictions/{model}", _predict),
            post("/predictions/{model}/{version}", _predict),
            get("/v2", _server_metadata),
            get("/v2/health/live", _healthz),
            get("/v2/health/ready", _readyz),
            *(get(path, _model_metadata) for path in (one, versioned)),
            *(get(path + "/ready", _model_ready) for path in (one, versioned)),
            *(post(path + "/infer", _infer) for path in (one, versioned)),
        ]
    )
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _exchange(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every request: its id, its problems, its count and its line in the log."""
    predictor = request.app[_PREDICTOR]
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    headers = request.headers
    exchange = RequestScope(route, headers.get("X-Request-ID"), headers.get("traceparent"))
    request[_EXCHANGE] = exchange
    problem: Problem | None = None
    try:
        with predictor.state.in_flight.track():
            response = await handler(request)
    except asyncio.CancelledError:
        exchange.end(CANCELLED, predictor.metrics)
        raise
    except Exception as error:
        problem = as_problem(_from_aiohttp(error, request), exchange)
        response = _problem_response(problem, exchange.id, request.path)
        if request.content.exception() is not None:
            response.force_close()  # nobody knows where the next request would begin
    response.headers["X-Request-ID"] = exchange.id
    if exchange.traceparent:
        response.headers["traceparent"] = exchange.traceparent
    if predictor.state.phase is Phase.DRAINING:
        response.force_close()
    if request.path not in _QUIET:
        exchange.end(response.status, predictor.metrics, problem)
    return response


def _from_aiohttp(error: Exception, request: web.Request) -> Exception:
    """aiohttp's own errors in our words."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(f"{request.method} is not possible here; possible: {allowed}")
    if isinstance(error, web.HTTPNotFound):
        return NotFound(f"there is nothing at {request.path[:200]}")
    if isinstance(error, web.HTTPException):
        return InvalidRequest(f"the request can't be served: {error.reason}")
    if isinstance(error, TimeoutError):
        return DeadlineExceeded("the body did not arrive within the deadline")
    if isinstance(error, web.RequestPayloadError | aiohttp.http_exceptions.HttpProcessingError):
        return InvalidRequest(f"the body is broken: {' '.join(str(error).split())}")
    return error


def _problem_response(problem: Problem, request_id: str, path: str) -> web.Response:
    return web.Response(
        body=problem_body(problem, request_id, path),
        status=problem.status,
        content_type=MEDIA_TYPE,
        headers=problem_headers(problem),
    )


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


async def _expected(request: web.Request) -> None:
    """Asks for the body of who waits to be asked, unless it will be refused by its length."""
    limit = request.app[_PREDICTOR].settings.max_body_bytes
    waits = request.headers["Expect"].lower() == "100-continue"
    if waits and (request.content_length or 0) <= limit:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _index(request: web.Request) -> web.Response:
    models = [model.ref for model in request.app[_PREDICTOR].models.values()]
    return _json({"name": NAME, "version": VERSION, "models": models})


async def _healthz(request: web.Request) -> web.Response:
    dead = request.app[_PREDICTOR].state.phase is Phase.DEAD
    return _json({"live": not dead}, 503 if dead else 200)


async def _readyz(request: web.Request) -> web.Response:
    state = request.app[_PREDICTOR].state
    return _json(state.describe(), 200 if state.ready else 503)


async def _predict(request: web.Request) -> web.Response:
    predictor, exchange = request.app[_PREDICTOR], request[_EXCHANGE]
    model = _model(request)
    deadline = _deadline(request)
    async with asyncio.timeout_at(deadline):
        image = await read_image(request, predictor.settings.max_body_bytes)
    exchange.note(model=model.name, bytes=len(image))
    call = Call(model, image, exchange.id, deadline, exchange.traceparent, _options(request))
    reply = await predictor.one(call)
    exchange.note(verdict=reply.document.get("verdict"))
    return web.Response(body=reply.raw, content_type="application/json")


async def _server_metadata(_: web.Request) -> web.Response:
    return _json(oip.server_metadata())


async def _model_metadata(request: web.Request) -> web.Response:
    return _json(oip.model_metadata(_model(request)))


async def _model_ready(request: web.Request) -> web.Response:
    model = _model(request)
    if not request.app[_PREDICTOR].state.model_ready(model.name):
        raise NotReady(f"{model.name} has no worker that is up", retry_after_s=5)
    return _json({"name": model.name, "ready": True})


async def _infer(request: web.Request) -> web.Response:
    predictor, exchange = request.app[_PREDICTOR], request[_EXCHANGE]
    model = _model(request)
    deadline = _deadline(request)
    async with asyncio.timeout_at(deadline):
        body = await read_body(request, predictor.settings.max_body_bytes)
    asked = read_request(body, request.headers.get("Inference-Header-Content-Length"))
    tensor = oip.tensor_of(model, asked.input)
    names = [name for name, _ in asked.outputs]
    oip.choose(oip.outputs(model, []), names)  # so that a wrong one is not found out at the end
    exchange.note(model=model.name, bytes=len(body), items=tensor.shape[0])
    options = oip.options_header(asked.parameters)
    call = Call(model, tensor, exchange.id, deadline, exchange.traceparent, options)
    results = await predictor.many(call, raise_lone=True)
    chosen = oip.choose(oip.outputs(model, results), names)
    return write_response(model, asked, chosen, exchange.id)


def _model(request: web.Request) -> ServedModel:
    found = request.match_info
    return request.app[_PREDICTOR].model(found["model"], found.get("version", ""))


def _deadline(request: web.Request) -> float:
    """Returns the request's deadline on the loop's clock, which `X-Request-Timeout` may shorten."""
    return request.app[_PREDICTOR].deadline(parse_timeout(request.headers.get("X-Request-Timeout")))


def _options(request: web.Request) -> str | None:
    crops = request.query.get("crops")
    if crops is None:
        return None
    if crops not in ("true", "false"):
        raise InvalidRequest("the query parameter crops is true or false")
    return oip.options_header({"crops": crops == "true"})
