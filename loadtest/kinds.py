"""The users by the names that they are chosen by, without what they are made of."""

from __future__ import annotations

KINDS = {
    "image-rest": "ImageRest",
    "image-grpc": "ImageGrpc",
    "batch": "Batch",
    "video": "VideoJob",
    "live": "Live",
}
"""Names on the command line to classes of `loadtest.users`."""
