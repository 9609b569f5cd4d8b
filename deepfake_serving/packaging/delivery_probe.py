"""The startup probe of the delivery, run by `python -S`; it imports nothing slow.

Exits with 0 if everything was delivered, otherwise with 1 and the reason on stdout, which the
kubelet puts into the event of the failed probe.
"""

from __future__ import annotations

import sys
from pathlib import Path

STATE = Path("/tmp/delivery")
"""The state file: empty after the delivery, else the last failure; absent before the first one."""


def main() -> int:
    """Prints the reason of a failure and returns the exit code."""
    reason = STATE.read_text() if STATE.exists() else "the delivery of models is in progress"
    print(reason, end="")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
