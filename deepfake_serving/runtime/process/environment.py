"""Environments of child processes that read what clients send, without the secrets of this one.

Keys of object stores, passwords of Redis and secrets of webhooks are often environment variables. A
library that a hostile file takes over must not find them.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys

_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|CREDENTIAL|KEY|AUTH|HEADERS|^(AWS|AZURE|GOOGLE|REDIS)_", re.IGNORECASE
)
_PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_PR_SET_DUMPABLE = 4


def environment_without_secrets() -> dict[str, str]:
    """Returns all variables but those that are secrets by their name, or have a password in a URL.

    For processes whose libraries have too many variables of their own to list.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not (_SECRET.search(name) or _PASSWORD_IN_URL.search(value))
    }


def hide_from_children() -> None:
    """Keeps the environment and memory of this process from others of the same user (Linux).

    They could read /proc/<pid>/environ, and trace this process (PR_SET_DUMPABLE, prctl(2)). A
    program that this process starts is not affected.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
