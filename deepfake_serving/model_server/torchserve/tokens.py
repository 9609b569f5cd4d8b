"""The tokens of TorchServe's APIs, which it generates at each start.

Its gRPC APIs can be neither disabled nor bound to a Unix socket, so every process of the machine or
the pod reaches them on loopback. Without the management token it can neither register nor scale nor
unregister a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import orjson

KEY_FILE = "key_file.json"
"""In TorchServe's working directory, which is for this user alone."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of two APIs, over REST and gRPC."""

    inference: str = field(repr=False)
    management: str = field(repr=False)


def read_tokens(directory: Path) -> Tokens | None:
    """Returns the tokens that a TorchServe in a working directory has generated; None if it has
    not yet."""
    try:
        document = orjson.loads((directory / KEY_FILE).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return Tokens(document["inference"]["key"], document["management"]["key"])
