"""The users, one module per API. Importing them patches the process for gevent, like Locust."""

from __future__ import annotations

from loadtest.users.base import GatewayUser
from loadtest.users.batch import Batch
from loadtest.users.image_grpc import ImageGrpc
from loadtest.users.image_rest import ImageRest
from loadtest.users.live import Live
from loadtest.users.video import VideoJob

__all__ = ["Batch", "GatewayUser", "ImageGrpc", "ImageRest", "Live", "VideoJob"]
