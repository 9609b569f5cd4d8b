"""Fetching interrupted by Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.packaging.fetch.material import DIGEST, unchanged
from tests.unit.packaging.fetch.registries import push, stub_registry
from tests.unit.packaging.fetch.servers import Files, serving

_FETCHING = """
import signal, sys
from pathlib import Path
from deepfake_serving.packaging.fetch import fetch
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's background
fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3], progress=lambda *_: print("here", flush=True))
"""


@pytest.mark.parametrize("scheme", ["https", "oci"])
def test_ctrl_c_does_not_wait_for_a_stalled_server(
    files: str, tmp_path: Path, target: Path, scheme: str
) -> None:
    """Runs in a separate process that receives SIGINT."""
    with (
        serving(Files) as plain,
        serving(stub_registry(blobs_at=f"http://{plain}/stalled")) as host,
    ):
        push(host, tmp_path)
        source = f"{files}/stalled" if scheme == "https" else f"oci://{host}/team/one:1"
        command = [sys.executable, "-c", _FETCHING, source, str(target), DIGEST]
        with (
            unchanged(target.parent),
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as fetching,
        ):
            assert fetching.stdout is not None
            assert fetching.stdout.readline() == b"here\n"
            fetching.send_signal(signal.SIGINT)
            _, output = fetching.communicate(timeout=60)
            assert fetching.returncode == -signal.SIGINT
            assert output.rstrip().endswith(b"KeyboardInterrupt")
