"""URLs are requested as they are spelled, and host names that no lookup takes are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.fetch.schemes import RTSP_SCHEMES

EXACT = [
    "/a.jpg?X-Amz-Credential=AKIA%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=ab",
    "/a.jpg?response-content-type=image%2Fjpeg&Signature=x~y",
    "/thumb/http%3A%2F%2Fh.example%2Fp.jpg",
    "/a%28b%29.jpg",
    "/a%2Cb%3D%40.jpg",
    "/a(b),c=@:d;e.jpg",
    "/%c3%a4%C3%A4",
    "/a/../b/./c//d",
    "/100%",
    "/a?b=c+d%20e&&=&x",
]


class Origin:
    """A real server that notes the targets of its requests."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.location: str | None = None
        self.codings: list[str] = []

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        self.targets.append(request.raw_path)
        if self.location is not None:
            location, self.location = self.location, None
            return web.Response(status=302, headers={"Location": location})
        response = web.Response(body=b"image")
        for coding in self.codings:
            response.headers.add("Content-Encoding", coding)
        return response


@pytest.fixture
async def origin() -> AsyncIterator[tuple[Origin, str]]:
    origin = Origin()
    runner = web.ServerRunner(web.Server(origin.respond), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield origin, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def fetch(url: str) -> bytes:
    received = bytearray()
    await Fetcher(AddressPolicy(["127.0.0.0/8"]), 60).fetch(url, received.extend, 100)
    return bytes(received)


@pytest.mark.parametrize("target", EXACT)
async def test_a_url_is_requested_unchanged(origin: tuple[Origin, str], target: str) -> None:
    server, url = origin
    assert await fetch(url + target) == b"image"
    assert server.targets == [target]


@pytest.mark.parametrize("target", EXACT)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
async def test_a_redirect_is_followed_without_changing_its_url(
    origin: tuple[Origin, str], target: str, absolute: bool
) -> None:
    server, url = origin
    server.location = (url if absolute else "") + target
    assert await fetch(url) == b"image"
    if not absolute:  # RFC 3986, section 5.2.4, removes the dots of a relative reference
        target = target.replace("/a/../b/./c", "/b/c")
    assert server.targets == ["/", target]


async def test_characters_not_allowed_in_urls_are_percent_encoded(
    origin: tuple[Origin, str],
) -> None:
    server, url = origin
    await fetch(f"{url}/ä b/%2F?ü=\x01")
    assert server.targets == ["/%C3%A4%20b/%2F?%C3%BC=%01"]


@pytest.mark.parametrize("codings", [[""], ["identity"], ["aws-chunked"], ["aws-chunked", ""]])
async def test_identity_codings_are_accepted(
    origin: tuple[Origin, str], codings: list[str]
) -> None:
    server, url = origin
    server.codings = codings
    assert await fetch(url) == b"image"


@pytest.mark.parametrize("codings", [["gzip"], ["aws-chunked,br"], ["identity", "zstd"]])
async def test_a_compressed_response_is_refused_by_its_name(
    origin: tuple[Origin, str], codings: list[str]
) -> None:
    server, url = origin
    server.codings = codings
    with pytest.raises(UnreachableURL, match=codings[-1].rpartition(",")[2]):
        await fetch(url)


NO_NAMES = ["xn--", "a..b", "a" * 64, "xn--a.xn--.b", "\u200d"]


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("scheme", ["http", "https", "rtsp"])
def test_an_unresolvable_host_name_is_refused(name: str, scheme: str) -> None:
    schemes = RTSP_SCHEMES if scheme == "rtsp" else {"http": 80, "https": 443}
    with pytest.raises(RefusedURL):
        Fetcher(AddressPolicy(), 5).check(f"{scheme}://{name}/", schemes)


@pytest.mark.parametrize("name", NO_NAMES)
async def test_a_redirect_to_an_invalid_host_is_refused(
    origin: tuple[Origin, str], name: str
) -> None:
    server, url = origin
    server.location = f"http://{name.encode().decode('latin-1')}/"
    with pytest.raises(RefusedURL):
        await fetch(url)


@pytest.mark.parametrize("name", NO_NAMES)
def test_so_is_one_that_a_playlist_has(name: str) -> None:
    fetcher = Fetcher(AddressPolicy(), 5)
    with pytest.raises(RefusedURL):
        fetcher.resolve(fetcher.check("http://tv.example/live.m3u8"), f"http://{name}/1.ts")
