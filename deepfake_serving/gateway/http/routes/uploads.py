"""Resumable uploads of videos by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

The core protocol with the extensions creation, creation-with-upload, expiration and termination. No
server library is used: those for FastAPI know no owner of an upload, and have locks of one machine.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    TooLarge,
    UnsupportedMediaType,
    UnsupportedVersion,
)
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import Gateway, get_gateway, get_request_scope
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.openapi.request_bodies import UPLOAD_BODY
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.schemas import UploadDocument
from deepfake_serving.gateway.ingest.file_names import display_name
from deepfake_serving.gateway.uploads.service import Upload

_VERSION = "1.0.0"
_BODY = "application/offset+octet-stream"
_EXTENSIONS = "creation,creation-with-upload,expiration,termination"


def use_tus(
    request: Request,
    version: Annotated[str | None, Header(alias="Tus-Resumable", include_in_schema=False)] = None,
) -> None:
    """Adds the protocol's version to all responses, also to problems.

    Raises:
        UnsupportedVersion
    """
    request.state.headers = {"Tus-Resumable": _VERSION}
    if version not in (None, _VERSION):
        request.state.headers["Tus-Version"] = _VERSION
        raise UnsupportedVersion(f"tus {str(version)[:20]!r} is not supported; {_VERSION} is")


router = APIRouter(tags=["uploads"], dependencies=[Depends(use_tus)])

Owner = Annotated[Principal, Depends(require_scope("videos"))]
_OFFSET: dict[str, Any] = {
    "Upload-Offset": {"description": "Bytes that are stored.", "schema": {"type": "integer"}},
    "Upload-Expires": {"description": "When it is deleted.", "schema": {"type": "string"}},
}
_LOCATION: dict[str, Any] = {
    "Location": {"description": "The upload's path.", "schema": {"type": "string"}}
}


@router.options(
    "/v1/uploads",
    summary="What resumable uploads support",
    status_code=204,
    responses={204: {"description": "In the headers `Tus-Extension` and `Tus-Max-Size`"}},
)
async def describe_uploads(request: Request) -> Response:
    """It needs no API key."""
    limits = get_gateway(request).uploads.limits
    headers = {
        "Tus-Version": _VERSION,
        "Tus-Extension": _EXTENSIONS,
        "Tus-Max-Size": str(min(limits.max_file_bytes, limits.max_bytes)),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "/v1/uploads",
    summary="Begin a resumable upload of a video",
    status_code=201,
    responses={201: {"model": UploadDocument, "headers": _LOCATION | _OFFSET}},
    openapi_extra={"requestBody": UPLOAD_BODY},
)
async def create_upload(
    request: Request,
    principal: Owner,
    length: Annotated[int, Header(alias="Upload-Length", ge=1, description="Bytes of the file.")],
    metadata: Annotated[
        str,
        Header(
            alias="Upload-Metadata", description="`filename` and its Base64; others are ignored."
        ),
    ] = "",
) -> Response:
    """`Location` is the path that takes its bytes by PATCH; the body may have the first of them.
    When all are stored, submit it by its id: `POST /v1/videos` with `{"upload": "id"}`."""
    gateway = get_gateway(request)
    gateway.disk_space.check()
    name = _file_name(metadata)
    has_body = _content_type(request) == _BODY
    if has_body:
        _check_body(request, length)
    upload = await gateway.uploads.create(length, name, principal)
    get_request_scope(request).note(upload=upload.id)
    offset = await gateway.uploads.append(upload, 0, request.stream()) if has_body else 0
    headers = {"Location": f"/v1/uploads/{upload.id}"} | _headers(gateway, upload, offset)
    return json_response(_document(gateway, upload, offset), 201, headers)


@router.get(
    "/v1/uploads/{upload_id}",
    summary="How much of an upload is stored",
    responses={200: {"model": UploadDocument, "headers": _OFFSET}},
)
async def get_upload(request: Request, upload_id: str, principal: Owner) -> Response:
    """HEAD, which tus clients send, returns the same headers."""
    gateway = get_gateway(request)
    upload = await gateway.uploads.find(upload_id, principal)
    offset = await gateway.uploads.offset(upload)
    headers = {"Upload-Length": str(upload.length), "Cache-Control": "no-store"}
    return json_response(
        _document(gateway, upload, offset), 200, headers | _headers(gateway, upload, offset)
    )


@router.patch(
    "/v1/uploads/{upload_id}",
    summary="Send bytes of an upload",
    status_code=204,
    responses={204: {"headers": _OFFSET}},
    openapi_extra={"requestBody": UPLOAD_BODY},
)
async def append_upload(
    request: Request,
    upload_id: str,
    principal: Owner,
    offset: Annotated[
        int, Header(alias="Upload-Offset", ge=0, description="Where the bytes begin.")
    ],
) -> Response:
    """Bytes are kept even if the connection breaks: read the offset, and send the rest.
    An offset other than that of the upload is 409."""
    gateway = get_gateway(request)
    gateway.disk_space.check()
    if _content_type(request) != _BODY:
        raise UnsupportedMediaType(f"the bytes of an upload are sent as {_BODY}")
    upload = await gateway.uploads.find(upload_id, principal)
    if offset <= upload.length:
        _check_body(request, upload.length - offset)
    stored = await gateway.uploads.append(upload, offset, request.stream())
    get_request_scope(request).note(upload=upload.id, offset=stored)
    return Response(status_code=204, headers=_headers(gateway, upload, stored))


@router.delete(
    "/v1/uploads/{upload_id}",
    summary="Delete an upload",
    status_code=204,
    responses={204: {"description": "It is deleted"}},
)
async def delete_upload(request: Request, upload_id: str, principal: Owner) -> Response:
    """An upload that became a job is deleted already."""
    uploads = get_gateway(request).uploads
    await uploads.delete(await uploads.find(upload_id, principal))
    uploads.on_event("deleted")
    return Response(status_code=204)


def _content_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _check_body(request: Request, max_bytes: int) -> None:
    """Refuses by Content-Length, before the body is sent in vain.

    Raises:
        TooLarge
    """
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > max_bytes:
        raise TooLarge(f"the body has {length} bytes; {max_bytes} are left of the upload")


def _headers(gateway: Gateway, upload: Upload, offset: int) -> dict[str, str]:
    expires = formatdate(gateway.uploads.expires_at(upload), usegmt=True)
    return {"Upload-Offset": str(offset), "Upload-Expires": expires}


def _document(gateway: Gateway, upload: Upload, offset: int) -> UploadDocument:
    expires = datetime.fromtimestamp(gateway.uploads.expires_at(upload), UTC)
    return UploadDocument(
        upload.id, offset, upload.length, upload.name, expires.isoformat(timespec="milliseconds")
    )


def _file_name(metadata: str) -> str | None:
    """Returns the display name of `filename` in the metadata.

    Raises:
        InvalidRequest: a value is not Base64.
    """
    for pair in filter(None, (each.strip() for each in metadata.split(","))):
        key, _, value = pair.partition(" ")
        try:
            text = b64decode(value, validate=True).decode(errors="replace")
        except (Error, ValueError):
            raise InvalidRequest(f"Upload-Metadata: {key[:40]} is not Base64") from None
        if key == "filename":
            return display_name(text)
    return None
