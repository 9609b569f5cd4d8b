"""Cross-origin requests of browsers, whose failures are problems as all others are."""

from __future__ import annotations

from collections.abc import Collection

from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp

from deepfake_serving.contracts.problems import Forbidden

_EXPOSED = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "X-Request-ID",
    "Retry-After",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Tus-Resumable",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Offset",
)


class CrossOriginMiddleware(CORSMiddleware):
    """Permits requests of some origins, with all methods and headers."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("*",),
            allow_headers=("*",),
            expose_headers=_EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Returns the response of a preflight request (Fetch Standard, CORS-preflight fetch).

        Raises:
            Forbidden: for another origin, or an unknown method. Starlette would respond in text.
        """
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        if not self.is_allowed_origin(request_headers["origin"]):
            raise Forbidden("requests of this origin are not permitted; cors_origins names others")
        method = request_headers["access-control-request-method"]
        raise Forbidden(f"the method {method[:40]!r} is not permitted across origins")
