"""Names of the users, without importing them."""

from __future__ import annotations

KINDS = {
    "image-rest": "ImageRest",
    "image-grpc": "ImageGrpc",
    "batch": "Batch",
    "video": "VideoJob",
    "live": "Live",
}
"""Names on the command line to classes of `loadtest.users`."""
