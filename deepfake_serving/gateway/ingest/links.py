"""Media that clients name in JSON: `{"url": …}`, `{"urls": […]}` or `{"upload": …}`."""

from __future__ import annotations

from typing import Any

from deepfake_serving.contracts.problems import InvalidRequest, RefusedURL
from deepfake_serving.gateway.fetch.fetcher import WEB, Fetcher
from deepfake_serving.gateway.fetch.schemes import RTSP_SCHEMES, is_rtsp
from deepfake_serving.gateway.ingest.multipart import too_many_media
from deepfake_serving.gateway.jobs.requests import RemoteMedia, UploadedMedia


def read_urls(document: Any, max_urls: int) -> list[str]:
    """Returns the URLs in a JSON body, at least one.

    Raises:
        InvalidRequest, TooLarge
    """
    urls = _parse_urls(document)
    if len(urls) > max_urls:
        raise too_many_media("URLs", max_urls)
    return urls


def _parse_urls(document: Any) -> list[str]:
    members = document if isinstance(document, dict) else {}
    urls = [members["url"]] if "url" in members else members.get("urls")
    unknown = next((str(name) for name in members if name not in ("url", "urls")), None)
    if unknown is not None:
        raise InvalidRequest(
            f"the JSON has a member {unknown[:80]!r}; it may only have 'url' or 'urls'. "
            "Options are query parameters"
        )
    strings = isinstance(urls, list) and all(isinstance(url, str) for url in urls)
    if not urls or not strings or len(members) > 1:
        raise InvalidRequest('the JSON must be {"url": "…"} or {"urls": ["…"]}')
    return list(urls)


def uploaded_media(document: Any) -> UploadedMedia | None:
    """Returns the resumable upload that a JSON body names: `{"upload": "id"}`; None without one.

    Raises:
        InvalidRequest
    """
    if not isinstance(document, dict) or "upload" not in document:
        return None
    if len(document) > 1 or not isinstance(document["upload"], str):
        raise InvalidRequest('the JSON must be {"upload": "…"} or {"url": "…"}')
    return UploadedMedia(document["upload"])


def media_link(url: str, fetcher: Fetcher | None) -> RemoteMedia:
    """Returns a link to media that may be fetched, as far as the URL alone shows.

    Raises:
        RefusedURL
    """
    if fetcher is None:
        raise RefusedURL("URLs are not fetched here (fetch_urls): send the file itself")
    fetcher.check(url)
    return RemoteMedia(url)


def video_link(
    url: str, fetcher: Fetcher | None, *, live: bool, allow_live: bool = False
) -> RemoteMedia:
    """Returns a link to a video or a live source: RTSP is always live, HLS where `live` says so.

    Args:
        allow_live: whether the service follows live sources.

    Raises:
        RefusedURL
    """
    rtsp = is_rtsp(url)
    if not (live or rtsp):
        return media_link(url, fetcher)
    if fetcher is None or not allow_live:
        raise RefusedURL("live sources are off: source_enabled is not set")
    fetcher.check(url, RTSP_SCHEMES if rtsp else WEB)
    return RemoteMedia(url, live=True)
