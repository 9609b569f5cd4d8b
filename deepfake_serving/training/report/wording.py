"""Figures as text."""

from __future__ import annotations

from deepfake_serving.training.evaluate.bootstrap import Figure


def number(value: float | None) -> str:
    """Three decimals; a dash for what is undefined."""
    return "–" if value is None else f"{value:.3f}"


def interval_text(figure: Figure) -> str:
    """`0.912 [0.850, 0.961]`."""
    if figure.low is None:
        return number(figure.value)
    return f"{number(figure.value)} [{number(figure.low)}, {number(figure.high)}]"
