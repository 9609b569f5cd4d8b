"""Options that several commands share."""

from __future__ import annotations

import math
from typing import Annotated

import typer

SAMPLING = "every:N, uniform:N, fps:N or per_shot:N."
AGGREGATION = "shots, mean, confident or fake_frame_ratio."
LOCAL_GATEWAY = "http://127.0.0.1:8000"

Server = Annotated[str, typer.Option(envvar="DFK_SERVER", help="The gateway's URL.")]
Key = Annotated[str | None, typer.Option(envvar="DFK_KEY", help="API key.")]


def finite(value: float | None) -> float | None:
    """Checks the number of an option, which `float` reads from `nan` and `inf` too."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value
