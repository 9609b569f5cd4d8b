"""The HTTP application: middleware, routes and the console."""

from __future__ import annotations

import re
from importlib.resources import files

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.http.console import add_console
from deepfake_serving.gateway.http.cors import CrossOriginMiddleware
from deepfake_serving.gateway.http.dependencies import refuse_unknown_query
from deepfake_serving.gateway.http.middleware import RequestScopeMiddleware
from deepfake_serving.gateway.http.openapi import document
from deepfake_serving.gateway.http.origin_guard import OriginGuardMiddleware
from deepfake_serving.gateway.http.responses import handle_problem
from deepfake_serving.gateway.http.routes import (
    feedback,
    images,
    inference,
    inference_extensions,
    jobs,
    service,
    stream,
    uploads,
    usage,
    videos,
)
from deepfake_serving.gateway.http.routing import RoutingMiddleware
from deepfake_serving.gateway.ingest.content_coding import ContentCodingMiddleware
from deepfake_serving.runtime.version import VERSION

_SWAGGER = str(files("fastapi_offline") / "static")
_DESCRIPTION = """Estimates how likely each face in an image or a video was swapped for another.

Errors are `application/problem+json` (RFC 9457). `X-Request-ID` identifies a request and its
response; `X-Request-Timeout` limits its duration in seconds.

Bodies may be compressed (`Content-Encoding: gzip` or `deflate`). HEAD works wherever GET does.
Query parameters and form fields that an operation does not have are refused.
"""

_MIN_GZIP_BYTES, _GZIP_LEVEL = 1024, 5
_INCOMPRESSIBLE = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream", "image/*")
"""Media and tensors; events would be delayed."""


def build_app(gateway: Gateway) -> FastAPI:
    """Builds the application of a gateway; the server starts and stops the gateway's parts."""
    app = document.DocumentedApp(
        title="deepfake-serving",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses=document.PROBLEMS,
        openapi_tags=document.TAGS,
        servers=document.SERVERS,
        contact=document.CONTACT,
        license_info=document.LICENSE,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown_query)],
    )
    app.key_required = gateway.authenticator.requires_key
    app.state.gateway = gateway
    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle_problem)
    for module in (
        *(images, videos, uploads, jobs, feedback),
        *(inference_extensions, inference, service, usage, stream),
    ):
        app.include_router(module.router)
    app.include_router(inference.probes)
    app.mount("/docs/assets", StaticFiles(directory=_SWAGGER), name="docs")
    add_console(app)
    app.add_middleware(ContentCodingMiddleware)
    app.add_middleware(
        GZipMiddleware,
        minimum_size=_MIN_GZIP_BYTES,
        compresslevel=_GZIP_LEVEL,
        exclude_content_types=_INCOMPRESSIBLE,
    )
    app.add_middleware(RoutingMiddleware)
    if gateway.settings.cors_origins:
        app.add_middleware(CrossOriginMiddleware, origins=gateway.settings.cors_origins)
    if gateway.authenticator.open_on_loopback:
        app.add_middleware(OriginGuardMiddleware, origins=gateway.settings.cors_origins)
    app.add_middleware(RequestScopeMiddleware, gateway=gateway)
    return app


def _operation_id(route: APIRoute) -> str:
    """Returns the operation id, which generated clients use as the method's name."""
    if route.path_format.startswith("/v2"):
        words = re.findall(r"\w+", route.path_format)
        return "_".join(["oip", *sorted(route.methods or ()), *words]).lower()
    return route.name
