"""A loaded worker returns what a burst freed, though no request follows; in a separate process."""

from __future__ import annotations

import sys

import pytest

from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT
from tests.support.bursts import burst

_SETUP = """
from types import SimpleNamespace
from model_handlers import handler

handler.return_freed_memory.__defaults__ = (0.2,)
handler.load_task = lambda *_: None
"""
_START = 'handler.handle(None, SimpleNamespace(system_properties={"model_dir": "."}))'


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim(3) is glibc's")
def test_a_worker_returns_what_a_burst_freed() -> None:
    held, remaining = burst(_SETUP, _START, **WORKER_ENVIRONMENT)
    assert held > 60
    assert remaining <= 10
