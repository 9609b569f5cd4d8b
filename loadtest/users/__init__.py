"""The callers, a file a door. Importing them patches the process for gevent, as Locust does."""

from __future__ import annotations

from loadtest.users.base import Caller
from loadtest.users.batch import Batch
from loadtest.users.image_grpc import ImageGrpc
from loadtest.users.image_rest import ImageRest
from loadtest.users.live import Live
from loadtest.users.video import VideoJob

__all__ = ["Batch", "Caller", "ImageGrpc", "ImageRest", "Live", "VideoJob"]
