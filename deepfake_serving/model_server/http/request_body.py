"""Request bodies, read within their limits: raw, or the file of a multipart form."""

from __future__ import annotations

from aiohttp import BodyPartReader, web

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge

_CHUNK = 64 * 1024


async def read_body(request: web.Request, limit: int) -> bytes:
    """Reads the whole body.

    Raises:
        TooLarge: more than `limit` bytes, by Content-Length or while reading.
    """
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_image(request: web.Request, limit: int) -> bytes:
    """Reads the image: the raw body, or the only file of a multipart/form-data body.

    Raises:
        TooLarge
        InvalidRequest: a malformed form, one without a file or with several, or of another type.
    """
    if not request.content_type.startswith("multipart/"):
        return await read_body(request, limit)
    if request.content_type != "multipart/form-data":
        raise InvalidRequest(f"a form is multipart/form-data, not {request.content_type}")
    if request.content_length is not None and request.content_length > limit + _CHUNK:
        raise _too_large(limit)
    image: bytes | None = None
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or image is not None:
                raise InvalidRequest("the form has more than one part; send one image per request")
            image = await _read_part(part, limit)
    except (ValueError, AssertionError, RuntimeError) as error:
        raise InvalidRequest(f"the multipart body is malformed: {error}") from error
    if image is None:
        raise InvalidRequest("the form has no file")
    return image


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        data += chunk
        if len(data) > limit:
            raise _too_large(limit)
    return bytes(part.decode(data))


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than the limit of {limit} bytes")
