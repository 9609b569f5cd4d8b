"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

SAMPLING = "every:N, uniform:N, fps:N or per_shot:N."
AGGREGATION = "shots, mean, confident or fake_frame_ratio."
LOCAL_GATEWAY = "http://127.0.0.1:8000"

Server = Annotated[str, typer.Option(envvar="DFK_SERVER", help="The gateway's URL.")]
Key = Annotated[str | None, typer.Option(envvar="DFK_KEY", help="API key.")]
