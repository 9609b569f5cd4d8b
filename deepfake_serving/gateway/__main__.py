"""`python -m deepfake_serving.gateway`: the process that a gateway's container runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # gRPC reads this when it is imported

import uvloop

from deepfake_serving.gateway.server import Ports, serve
from deepfake_serving.gateway.settings import SettingsError, load_settings
from deepfake_serving.runtime.logs import configure_logs
from deepfake_serving.runtime.process.environment import hide_from_children
from deepfake_serving.runtime.process.memory import share_one_arena
from deepfake_serving.runtime.tracing import exported_traces


def main(on_ready: Callable[[Ports], None] | None = None) -> int:
    """Exit codes: 0 after a signal, 2 for a wrong setting."""
    share_one_arena()
    hide_from_children()
    try:
        settings = load_settings()
        configure_logs(settings)
        os.umask(0o077)  # media, results and the job store are for this user alone
        with exported_traces("deepfake-gateway"):
            return uvloop.run(serve(settings, on_ready))
    except SettingsError as error:
        print(f"deepfake-serving: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
