"""A gateway in this process, in front of no model server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from deepfake_serving.gateway import server
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.settings import load_settings

_NONE = '{"pools": [{"name": "none", "url": "http://127.0.0.1:1"}]}'
"""No model server; one that runs here would be found at the usual port."""


@asynccontextmanager
async def listening_gateway(
    folder: Path, **overrides: object
) -> AsyncIterator[tuple[Gateway, dict[str, int]]]:
    """Yields a gateway that listens on free ports, and the ports; its jobs are in the folder.

    Args:
        overrides: further settings.
    """
    given = {
        "host": "127.0.0.1",
        "http_port": 0,
        "grpc_port": 0,
        "metrics_port": 0,
        "jobs": f"sqlite:///{folder}/jobs.sqlite",
        "objects": f"file://{folder}/objects",
        "drain_timeout_s": 0.1,
        "routing": _NONE,
    }
    settings = load_settings(**given | overrides)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(server.open_gateway(settings))
        ports, *_ = await server._listen(stack, gateway)
        yield gateway, ports
