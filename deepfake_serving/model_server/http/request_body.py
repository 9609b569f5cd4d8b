"""HTTP bodies, read within their bounds: raw, or the one file of a form."""

from __future__ import annotations

from aiohttp import BodyPartReader, web

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge

_CHUNK = 64 * 1024


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: over `limit` bytes, which is known from Content-Length or found out on the way.
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
    """The image: the body itself, or the only file of a multipart/form-data body.

    Raises:
        TooLarge
        InvalidRequest: a form that is broken, or holds no file, or several, or is of another type.
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
                raise InvalidRequest("the form holds more than one part; send one image a request")
            image = await _read_part(part, limit)
    except (ValueError, AssertionError, RuntimeError) as error:
        raise InvalidRequest(f"the multipart body is broken: {error}") from error
    if image is None:
        raise InvalidRequest("the form holds no file")
    return image


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        data += chunk
        if len(data) > limit:
            raise _too_large(limit)
    return bytes(part.decode(data))


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than the bound of {limit} bytes")
