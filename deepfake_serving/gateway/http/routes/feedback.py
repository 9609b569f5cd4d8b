"""Feedback on verdicts: labels of people, their list, and their export as a development set."""

from __future__ import annotations

import re
from tempfile import TemporaryFile
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ValidationError
from starlette.responses import StreamingResponse

from deepfake_serving.contracts.problems import InvalidCursor, InvalidRequest
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import get_gateway
from deepfake_serving.gateway.documents import FeedbackDocument, FeedbackPage
from deepfake_serving.gateway.feedback.document import feedback_document
from deepfake_serving.gateway.feedback.export import read_file, write_export
from deepfake_serving.gateway.feedback.service import FeedbackRequest
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.openapi.request_bodies import FEEDBACK_BODY
from deepfake_serving.gateway.http.responses import json_response, validation_message
from deepfake_serving.gateway.http.schemas import FeedbackBody
from deepfake_serving.gateway.ingest.json_body import read_json

router = APIRouter(tags=["feedback"])

_CURSOR = re.compile(r"([0-9]{1,12}\.[0-9]{1,17}):(.{1,400})")
_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/v1/feedback",
    status_code=201,
    summary="Label a response as real or fake",
    responses={201: {"model": FeedbackDocument}},
    openapi_extra={"requestBody": FEEDBACK_BODY},
)
async def give_feedback(
    request: Request, principal: Annotated[Principal, Depends(require_scope(None))]
) -> Response:
    """On an image or a job of the same API key, as a whole or one face of it. It needs no scope.
    Later feedback on the same face replaces the earlier one of the same key."""
    try:
        body = FeedbackBody.model_validate(await read_json(request))
    except ValidationError as error:
        raise InvalidRequest("; ".join(map(validation_message, error.errors()))) from error
    feedback = await get_gateway(request).feedback.give(
        FeedbackRequest(**body.model_dump()), principal
    )
    return json_response(feedback_document(feedback), 201)


@router.delete(
    "/v1/feedback/images/{image_id:path}", summary="Forget an image response", status_code=204
)
async def forget_image(
    request: Request, image_id: str, principal: Annotated[Principal, Depends(require_scope(None))]
) -> Response:
    """Deletes what is stored of a response to the same API key: its scores and boxes, its image
    where images are kept, and the feedback on it. It needs no scope. An image that was sent as a
    job is deleted with its job."""
    await get_gateway(request).feedback.forget(image_id, principal)
    return Response(status_code=204)


@router.get(
    "/v1/feedback",
    summary="Feedback, the newest first",
    responses={200: {"model": FeedbackPage}},
    dependencies=[Depends(require_scope("admin"))],
)
async def list_feedback(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """That of all API keys."""
    store = get_gateway(request).feedback.store
    feedback, last = await store.page(limit, _parse_cursor(cursor))
    following = None if last is None else f"{last[0]!r}:{last[1]}"
    return json_response(FeedbackPage([feedback_document(each) for each in feedback], following))


@router.get(
    "/v1/feedback/export",
    summary="Feedback as a development set",
    response_class=StreamingResponse,
    responses={200: {"content": _ZIP}},
    dependencies=[Depends(require_scope("admin"))],
)
async def export_feedback(request: Request) -> Response:
    """A zip: `feedback/labels.jsonl` with all labels, and below `feedback/real` and `feedback/fake`
    the labelled media that are stored. `evaluate` and `evaluate-all` read it once unpacked."""
    gateway = get_gateway(request)
    gateway.disk_space.check()
    await gateway.feedback.images.flush_images()
    file = TemporaryFile()  # noqa: SIM115 - the response closes it
    try:
        await write_export(gateway.feedback.store.all(), gateway.jobs.objects, file)
    except BaseException:
        file.close()
        raise
    headers = {"Content-Disposition": 'attachment; filename="feedback.zip"'}
    return StreamingResponse(read_file(file), 200, headers, media_type="application/zip")


def _parse_cursor(cursor: str | None) -> tuple[float, str] | None:
    """
    Raises:
        InvalidCursor: it is not one that the list returned.
    """
    if cursor is None:
        return None
    match: Any = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidCursor("the cursor is not one that a list of feedback returned")
    return float(match[1]), match[2]
