"""`python -m deepfake_serving.model_server`: the process that a serving container runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

# Java is exec'd at once, so no fork handlers are needed; gRPC reads this when it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import uvloop

from deepfake_serving.model_server.server import Server
from deepfake_serving.model_server.settings import SettingsError, load_settings
from deepfake_serving.runtime.logs import configure_logs
from deepfake_serving.runtime.process.memory import keep_freed_memory, share_one_arena
from deepfake_serving.runtime.tracing import exported_traces
from model_handlers.manifest import ManifestError


def main(on_ready: Callable[[dict[str, int]], None] | None = None) -> int:
    """Runs the server. Exit codes: 0 after a signal, 1 if it can't serve, 2 for a wrong setting."""
    keep_freed_memory()
    share_one_arena()
    try:
        settings = load_settings()
        configure_logs(settings)
        with exported_traces("deepfake-model-server"):
            return uvloop.run(_run(Server(settings), on_ready))
    except (SettingsError, ManifestError) as error:
        print(f"deepfake-serving: {error}", file=sys.stderr)
        return 2


async def _run(server: Server, on_ready: Callable[[dict[str, int]], None] | None) -> int:
    return await server.run(on_ready)


if __name__ == "__main__":
    sys.exit(main())
