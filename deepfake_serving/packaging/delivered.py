"""The startup probe of the delivery: `python -S …/packaging/delivered.py`; imports nothing slow.

Exit code 0 when everything was delivered. Else 1, with the reason on stdout: the kubelet puts it
into the event of the failed probe.
"""

from __future__ import annotations

import sys
from pathlib import Path

STATE = Path("/tmp/delivery")
"""Empty after the delivery, the last failure before it, absent while it is under way."""


def main() -> int:
    """The exit code of the probe."""
    reason = STATE.read_text() if STATE.exists() else "the delivery of models is under way"
    print(reason, end="")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
