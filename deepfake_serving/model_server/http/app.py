"""REST: predictions, the Open Inference Protocol and the probes. Problems are RFC 9457."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import aiohttp
from aiohttp import web

from deepfake_serving.contracts.inference import IMAGES_HEADER
from deepfake_serving.contracts.problems import (
    MEDIA_TYPE,
    DeadlineExceeded,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotReady,
    Problem,
)
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.model_server.cost import model_cost
from deepfake_serving.model_server.http import kserve_v1_routes, oip_extension_routes
from deepfake_serving.model_server.http.oip_routes import read_request, write_response
from deepfake_serving.model_server.http.request_body import read_body, read_image
from deepfake_serving.model_server.http.responses import json_response
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction import oip
from deepfake_serving.model_server.prediction.predictor import Call, Predictor
from deepfake_serving.model_server.state import Phase
from deepfake_serving.runtime.http_problems import (
    CODINGS,
    problem_body,
    problem_headers,
    unsupported_coding,
)
from deepfake_serving.runtime.request_scope import (
    CANCELLED,
    RequestScope,
    as_problem,
)
from deepfake_serving.runtime.request_timeout import parse_timeout
from deepfake_serving.runtime.version import NAME, VERSION
from model_handlers.wire import FLAGS

_PREDICTOR = web.AppKey("predictor", Predictor)
_REQUEST_SCOPE = web.RequestKey("request_scope", RequestScope)
_QUIET = ("/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
"""Probes, which are neither counted nor logged: they would outnumber clients' requests."""


def build_app(predictor: Predictor) -> web.Application:
    """Builds the application. With `handler_cancellation` a disconnect cancels the request."""
    app = web.Application(middlewares=[_request_scope], client_max_size=2**31)
    app[_PREDICTOR] = predictor
    one = "/v2/models/{model}"
    versioned = one + "/versions/{version}"
    get = partial(web.get, expect_handler=_continue)
    post = partial(web.post, expect_handler=_continue)
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
            *oip_extension_routes.routes(_PREDICTOR, get, post),
            *kserve_v1_routes.routes(_PREDICTOR, _REQUEST_SCOPE, _deadline, get, post),
        ]
    )
    return app


def build_probes(predictor: Predictor) -> web.Application:
    """Builds the application of the probes alone."""
    app = web.Application()
    app[_PREDICTOR] = predictor
    app.add_routes([web.get("/healthz", _healthz), web.get("/readyz", _readyz)])
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _request_scope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Wraps every request in a scope: its id, problems, metrics and log line."""
    predictor = request.app[_PREDICTOR]
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    headers = request.headers
    request_scope = RequestScope(route, headers.get("X-Request-ID"), headers.get("traceparent"))
    request[_REQUEST_SCOPE] = request_scope
    problem: Problem | None = None
    try:
        with predictor.state.in_flight.track():
            response = await handler(request)
    except asyncio.CancelledError:
        request_scope.end(CANCELLED, predictor.metrics)
        raise
    except Exception as error:
        problem = as_problem(_translate(error, request), request_scope)
        response = _problem_response(problem, request_scope.id, request.path)
        if request.content.exception() is not None:
            response.force_close()  # the start of the next request is unknown
        forget_traceback(problem)
    response.headers["X-Request-ID"] = request_scope.id
    if problem is None and (items := request_scope.fields.get("items")) is not None:
        response.headers[IMAGES_HEADER] = str(items)
    if request_scope.traceparent:
        response.headers["traceparent"] = request_scope.traceparent
    if predictor.state.phase is Phase.DRAINING:
        response.force_close()
    if request.path not in _QUIET:
        request_scope.end(response.status, predictor.metrics, problem)
    return response


def _translate(error: Exception, request: web.Request) -> Exception:
    """Translates aiohttp's errors into problems."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(f"{request.method} is not allowed here; allowed: {allowed}")
    if isinstance(error, web.HTTPNotFound):
        return NotFound(f"there is nothing at {request.path[:200]}")
    if isinstance(error, web.HTTPException):
        return InvalidRequest(f"the request can't be served: {error.reason}")
    if isinstance(error, TimeoutError):
        return DeadlineExceeded("the body did not arrive within the deadline")
    if isinstance(error, web.RequestPayloadError | aiohttp.http_exceptions.HttpProcessingError):
        coding = request.headers.get("Content-Encoding", CODINGS[0]).lower()
        if coding not in CODINGS:
            return unsupported_coding(coding)
        return InvalidRequest(f"the body is malformed: {' '.join(str(error).split())}")
    return error


def _problem_response(problem: Problem, request_id: str, path: str) -> web.Response:
    return web.Response(
        body=problem_body(problem, request_id, path),
        status=problem.status,
        content_type=MEDIA_TYPE,
        headers=problem_headers(problem),
    )


async def _continue(request: web.Request) -> None:
    """Responds to `Expect: 100-continue`, unless the body will be refused by its length."""
    limit = request.app[_PREDICTOR].settings.max_body_bytes
    waits = request.headers["Expect"].lower() == "100-continue"
    if waits and (request.content_length or 0) <= limit:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _index(request: web.Request) -> web.Response:
    predictor = request.app[_PREDICTOR]
    models = []
    for model in predictor.models.values():
        pids = predictor.state.models[model.name].worker_pids
        cost = model_cost(model, pids, predictor.metrics)
        models.append(replace(model.info, cost=cost))
    return json_response({"name": NAME, "version": VERSION, "models": models})


async def _healthz(request: web.Request) -> web.Response:
    dead = request.app[_PREDICTOR].state.phase is Phase.DEAD
    return json_response({"live": not dead}, 503 if dead else 200)


async def _readyz(request: web.Request) -> web.Response:
    state = request.app[_PREDICTOR].state
    return json_response(state.describe(), 200 if state.ready else 503)


async def _predict(request: web.Request) -> web.Response:
    predictor, request_scope = request.app[_PREDICTOR], request[_REQUEST_SCOPE]
    model = _model(request)
    deadline = _deadline(request)
    async with asyncio.timeout_at(deadline):
        image = await read_image(request, predictor.settings.max_body_bytes)
    request_scope.note(model=model.name, bytes=len(image))
    call = Call(
        model, image, request_scope.id, deadline, request_scope.traceparent, _options(request)
    )
    reply = await predictor.one(call)
    request_scope.note(verdict=reply.document.get("verdict"))
    return web.Response(body=reply.raw, content_type="application/json")


async def _server_metadata(_: web.Request) -> web.Response:
    return json_response(oip.server_metadata())


async def _model_metadata(request: web.Request) -> web.Response:
    return json_response(oip.model_metadata(_model(request)))


async def _model_ready(request: web.Request) -> web.Response:
    model = _model(request)
    if not request.app[_PREDICTOR].state.model_ready(model.name):
        raise NotReady(f"{model.name} has no running worker", retry_after_s=5)
    return json_response({"name": model.name, "ready": True})


async def _infer(request: web.Request) -> web.Response:
    predictor, request_scope = request.app[_PREDICTOR], request[_REQUEST_SCOPE]
    model = _model(request)
    deadline = _deadline(request)
    async with asyncio.timeout_at(deadline):
        body = await read_body(request, predictor.settings.max_body_bytes)
    header = request.headers.get("Inference-Header-Content-Length")
    infer = await asyncio.to_thread(read_request, body, header)
    tensor = oip.tensor_of(model, infer.input, infer.parameters)
    names = [name for name, _ in infer.outputs]
    oip.choose(oip.outputs(model, []), names)  # refuses unknown outputs before predicting
    request_scope.note(model=model.name, bytes=len(body), items=tensor.shape[0])
    options = oip.options_header(infer.parameters)
    call = Call(model, tensor, request_scope.id, deadline, request_scope.traceparent, options)
    results = await predictor.many(call, request_scope, raise_lone=True)
    chosen = oip.choose(oip.outputs(model, results), names)
    return write_response(model, infer, chosen, request_scope.id)


def _model(request: web.Request) -> ServedModel:
    found = request.match_info
    return request.app[_PREDICTOR].model(found["model"], found.get("version", ""))


def _deadline(request: web.Request) -> float:
    """Returns the request's deadline on the loop's clock, which `X-Request-Timeout` may shorten."""
    return request.app[_PREDICTOR].deadline(parse_timeout(request.headers.get("X-Request-Timeout")))


def _options(request: web.Request) -> str | None:
    """Returns the header of the query's options; refuses others, as a gateway does."""
    for name, value in request.query.items():
        if name not in FLAGS:
            names = ", ".join(sorted(FLAGS))
            raise InvalidRequest(f"there is no query parameter {name[:80]!r}; there are: {names}")
        if value not in ("true", "false"):
            raise InvalidRequest(f"the query parameter {name} must be true or false")
    return oip.options_header({name: value == "true" for name, value in request.query.items()})
