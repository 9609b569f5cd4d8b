"""The callers, a file a door. Importing them patches the process for gevent, as Locust does."""

from __future__ import annotations

from tests.load.users.batch import Batch
from tests.load.users.caller import Caller
from tests.load.users.image_grpc import ImageGrpc
from tests.load.users.image_rest import ImageRest
from tests.load.users.live import Live
from tests.load.users.video import VideoJob

__all__ = ["Batch", "Caller", "ImageGrpc", "ImageRest", "Live", "VideoJob"]
