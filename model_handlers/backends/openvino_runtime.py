"""OpenVINO without its telemetry; import `openvino` from here.

Its packages report every import and conversion to Google Analytics. Each report forks the process
and blocks it for up to three seconds where the internet can't be reached.
"""

from __future__ import annotations

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

__all__ = ["openvino"]
