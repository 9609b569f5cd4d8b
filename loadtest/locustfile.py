"""What Locust reads: `locust -f loadtest/locustfile.py` opens its page, where users are chosen.

`python -m loadtest` runs without the page, and with gates.
"""

from __future__ import annotations

from loadtest import hooks
from loadtest.users import Batch, ImageGrpc, ImageRest, Live, VideoJob

__all__ = ["Batch", "ImageGrpc", "ImageRest", "Live", "VideoJob", "hooks"]
