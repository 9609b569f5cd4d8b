"""Images as phones and scanners write them, over every way into the service."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import skimage.data
import websockets
from PIL import Image

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.paths import ROOT
from tests.support.running import RunningGateway

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]

FORMATS: dict[str, dict[str, Any]] = {
    "heic": {},
    "avif": {"quality": 90},
    "tiff": {"compression": "tiff_lzw"},
}


@pytest.fixture(scope="module", params=FORMATS)
def photo(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """The name and the bytes of a portrait."""
    name = f"photo.{request.param}"
    if request.param == "heic":
        return name, (ROOT / "tests" / "data" / "astronaut.heic").read_bytes()
    stream = io.BytesIO()
    portrait = Image.fromarray(skimage.data.astronaut())
    portrait.save(stream, request.param, **FORMATS[request.param])
    return name, stream.getvalue()


@pytest.fixture(scope="module")
def site(photo: tuple[str, bytes]) -> Iterator[str]:
    """A web server with the photo, of whose type it knows nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            self.wfile.write(photo[1])

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{photo[0]}"
        server.shutdown()
        thread.join()


def test_rest_forms_batches_and_urls_have_the_same_verdict(
    api: httpx.Client, site: str, photo: tuple[str, bytes]
) -> None:
    name, data = photo
    body = api.post("/v1/images", content=data).json()
    assert len(body["faces"]) == 1, body
    form = api.post("/v1/images", files={"file": (name, data)}).json()
    fetched = api.post("/v1/images?preview=true", json={"url": site}).json()
    assert fetched["preview"].startswith("data:image/jpeg;base64,")
    assert body["preview"] is None
    batch = api.post("/v1/images/batch", files=[("file", (name, data))] * 2).json()["results"]
    others = [form, fetched, *(each["verdict"] for each in batch)]
    assert [each["faces"] for each in others] == [body["faces"]] * 4


async def test_grpc_and_live_frames_have_a_verdict(
    gateway: RunningGateway, stub: DetectorStub, photo: tuple[str, bytes]
) -> None:
    verdict = stub.DetectImage(pb.DetectImageRequest(image=photo[1], preview=True))
    assert len(verdict.faces) == 1
    with Image.open(io.BytesIO(verdict.preview)) as copy:
        assert (copy.format, copy.size) == ("JPEG", (verdict.width, verdict.height))
    async with websockets.connect(gateway.url.replace("http", "ws") + "/v1/stream") as socket:
        await socket.send(photo[1])
        async with asyncio.timeout(120):
            message = json.loads(await socket.recv())
    assert len(message["verdict"]["faces"]) == 1
