"""Metrics as text."""

from __future__ import annotations

from deepfake_serving.training.evaluate.bootstrap import Estimate


def format_number(value: float | None) -> str:
    """Formats with three decimals; a dash if undefined."""
    return "–" if value is None else f"{value:.3f}"


def format_estimate(estimate: Estimate) -> str:
    """Formats as `0.912 [0.850, 0.961]`."""
    if estimate.low is None:
        return format_number(estimate.value)
    interval = f"[{format_number(estimate.low)}, {format_number(estimate.high)}]"
    return f"{format_number(estimate.value)} {interval}"
