"""The startup probe of the delivery, run by `python -S`; it imports nothing slow.

Exits with 0 when everything was delivered, else with 1 and the reason on stdout: the kubelet puts
it into the event of the failed probe.
"""

from __future__ import annotations

import sys
from pathlib import Path

STATE = Path("/tmp/delivery")
"""Empty after the delivery, the last failure before it, absent while it is under way."""


def main() -> int:
    """Prints the reason of a failure and returns the exit code."""
    reason = STATE.read_text() if STATE.exists() else "the delivery of models is under way"
    print(reason, end="")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
