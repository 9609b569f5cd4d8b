"""Models from Hugging Face's hub, over plain https and without its client."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from deepfake_serving.packaging.https import open_http
from deepfake_serving.packaging.source_content import Content, UnsupportedSource

_SOURCE = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?/(?P<path>.+)")
_HUB = "https://huggingface.co"


def open_hub(source: str) -> Content:
    """Opens `hf://owner/name@revision/path`; the revision is `main` by default.

    HF_TOKEN is sent to the hub, and not to the storage that it redirects to.

    Raises:
        UnsupportedSource: the source has another form.
    """
    token = os.environ.get("HF_TOKEN", "")
    return open_http(hub_url(source), {"Authorization": f"Bearer {token}"} if token else {})


def hub_url(source: str) -> str:
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise UnsupportedSource(f"{source}: expected hf://owner/name@revision/path")
    base = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    revision = quote(match["revision"] or "main", safe="")
    return f"{base}/{match['repository']}/resolve/{revision}/{quote(match['path'])}"
