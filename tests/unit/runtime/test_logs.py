"""Log lines: written at once, so that lines of processes that share a stream do not mix."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.paths import ROOT

_SCRIPT = """
import logging, sys, structlog
from deepfake_serving.gateway.settings import load_settings
from deepfake_serving.runtime.logs import configure_logs

class Recorder:
    def __init__(self): self.writes = []
    def write(self, text): self.writes.append(text); return len(text)
    def flush(self): pass
    def isatty(self): return False

sys.stderr = Recorder()
configure_logs(load_settings(log_format="json"))
structlog.get_logger().info("first", text="a\\nb")
logging.getLogger("library").warning("second")
writes, sys.stderr = sys.stderr.writes, sys.__stderr__
import json; print(json.dumps(writes))
"""


def test_each_event_is_one_write_of_a_whole_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    writes = json.loads(ended.stdout)
    assert [write[-1] for write in writes] == ["\n", "\n"]
    assert [json.loads(write)["event"] for write in writes] == ["first", "second"]
