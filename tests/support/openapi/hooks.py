"""Media for schemathesis: images and a video that the gateway can decode, and other bytes.

Read by schemathesis through SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image


def _encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 120, 40)).save(stream, kind)
    return stream.getvalue()


_MEDIA = st.sampled_from([_encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")])

schemathesis.openapi.format("binary", _MEDIA)
for _kind in ("image/*", "video/*", "application/octet-stream", "application/offset+octet-stream"):
    schemathesis.openapi.media_type(_kind, _MEDIA)
