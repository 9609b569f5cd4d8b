"""The exit of the command line after it has used Ray."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

# A destructor of C++ that aborts, as one of Ray's does at times. The module is empty, as only its
# presence counts.
ABORTING = """
import ctypes, sys, types
libc = ctypes.CDLL(None)
libc.__cxa_atexit(ctypes.cast(libc.abort, ctypes.c_void_p), None, None)
sys.modules["ray"] = types.ModuleType("ray")
sys.argv = ["deepfake-serving", *sys.argv[1:]]
from deepfake_serving.cli.app import main
main()
"""


@pytest.mark.parametrize(
    ("argument", "code", "printed"), [("--version", 0, "deepfake-serving"), ("--no", 2, "--no")]
)
def test_an_abort_at_the_end_does_not_change_the_exit_code(
    argument: str, code: int, printed: str
) -> None:
    command = [sys.executable, "-c", ABORTING, argument]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert completed.returncode == code
    assert printed in completed.stdout + completed.stderr
