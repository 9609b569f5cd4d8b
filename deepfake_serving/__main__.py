"""`deepfake-serving`, also as `python -m deepfake_serving`: the command line."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Imports and runs the command line. Ctrl-C meanwhile ends it without a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from deepfake_serving.cli.app import main as run

    signal.signal(signal.SIGINT, handler)
    try:
        run()
    except KeyboardInterrupt:  # before a command begins: click handles those of commands
        sys.exit(130)


if __name__ == "__main__":
    main()
