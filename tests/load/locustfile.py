"""What Locust reads: `locust -f tests/load/locustfile.py` opens its page, where users are chosen.

`python -m tests.load` runs without the page, and with gates.
"""

from __future__ import annotations

from tests.load import hooks
from tests.load.users import Batch, ImageGrpc, ImageRest, Live, VideoJob

__all__ = ["Batch", "ImageGrpc", "ImageRest", "Live", "VideoJob", "hooks"]
