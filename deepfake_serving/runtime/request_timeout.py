"""The `X-Request-Timeout` header of both REST servers."""

from __future__ import annotations

import math

from deepfake_serving.contracts.problems import InvalidRequest


def parse_timeout(header: str | None) -> float | None:
    """Returns the header's seconds, or None without one.

    Raises:
        InvalidRequest: not a finite number above zero.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidRequest("X-Request-Timeout is a number of seconds above zero")
    return seconds
