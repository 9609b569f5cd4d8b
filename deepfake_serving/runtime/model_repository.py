"""Triton's model repository extension: what the gateway and the model server have in common.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from __future__ import annotations

import orjson

from deepfake_serving.contracts.problems import Forbidden, InvalidRequest


def ready_only(body: bytes) -> bool:
    """Parses the optional body `{"ready": bool}` of an index.

    Raises:
        InvalidRequest
    """
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    ready = document.get("ready", False) if isinstance(document, dict) else None
    if not isinstance(ready, bool):
        raise InvalidRequest('the body is a JSON object; "ready" is true or false')
    return ready


def refuse_loading() -> Forbidden:
    """Returns the problem of a request to load or unload a model."""
    return Forbidden("models can't be loaded or unloaded: settings choose what is served")
