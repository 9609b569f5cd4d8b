"""The locustfile. `locust -f loadtest/locustfile.py` serves Locust's web page.

`python -m loadtest` runs without the page and applies the gates.
"""

from __future__ import annotations

from loadtest import hooks
from loadtest.users import Batch, ImageGrpc, ImageRest, Live, VideoJob

__all__ = ["Batch", "ImageGrpc", "ImageRest", "Live", "VideoJob", "hooks"]
