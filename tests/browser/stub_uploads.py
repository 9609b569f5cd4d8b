"""Resumable uploads of the stub gateway: in memory, stored as their bytes arrive."""

from __future__ import annotations

import base64
import contextlib
import uuid
from dataclasses import dataclass, field

from aiohttp import ClientConnectionError, web

from deepfake_serving.contracts.problems import Conflict, NotFound

CUT_BYTES = 4 * 2**20
"""After these the connection of a request breaks that sends a file named `cut…`."""


@dataclass
class Upload:
    """A file on its way."""

    name: str
    length: int
    data: bytearray = field(default_factory=bytearray)


class UploadStore:
    """The uploads, by their ids."""

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}

    def routes(self) -> list[web.RouteDef]:
        path = "/v1/uploads/{id}"
        return [
            web.post("/v1/uploads", self.create),
            web.head(path, self.head),
            web.patch(path, self.append),
        ]

    def find(self, upload_id: str) -> Upload:
        """Raises NotFound."""
        if upload_id not in self.uploads:
            raise NotFound(f"there is no open upload {upload_id}")
        return self.uploads[upload_id]

    async def create(self, request: web.Request) -> web.Response:
        upload_id = uuid.uuid4().hex
        encoded = request.headers["Upload-Metadata"].removeprefix("filename ")
        name = base64.b64decode(encoded).decode()
        self.uploads[upload_id] = Upload(name, int(request.headers["Upload-Length"]))
        return web.Response(status=201, headers={"Location": f"/v1/uploads/{upload_id}"})

    async def head(self, request: web.Request) -> web.Response:
        upload = self.find(request.match_info["id"])
        headers = {"Upload-Offset": str(len(upload.data)), "Upload-Length": str(upload.length)}
        return web.Response(headers=headers)

    async def append(self, request: web.Request) -> web.Response:
        upload = self.find(request.match_info["id"])
        offset = int(request.headers["Upload-Offset"])
        if offset != len(upload.data):
            raise Conflict(f"the upload is at offset {len(upload.data)}")
        with contextlib.suppress(ClientConnectionError):  # what arrived is kept
            async for chunk in request.content.iter_any():
                upload.data += chunk
                if upload.name.startswith("cut") and len(upload.data) >= offset + CUT_BYTES:
                    assert request.transport is not None
                    request.transport.abort()
        return web.Response(status=204, headers={"Upload-Offset": str(len(upload.data))})
