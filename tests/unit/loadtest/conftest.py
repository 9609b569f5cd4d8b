"""Whole runs, each a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.paths import ROOT


@dataclass(frozen=True)
class Run:
    """What came of one."""

    code: int
    output: str
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Run]:
    """Runs a user against a URL for a second or two; nobody may look at what it sends."""
    media = tmp_path / "media"
    media.mkdir()
    (media / "1-512x512-a.jpg").write_bytes(b"\xff\xd8nobody looks at it")
    (media / "1-512x512-a.mp4").write_bytes(b"nor at this")

    def run(user: str, url: str, *options: str, env: dict[str, str] | None = None) -> Run:
        words = [user, "--url", url, "--out", str(tmp_path), "--media", str(media)]
        done = subprocess.run(
            [sys.executable, "-m", "loadtest", *words, "--duration=1.5", "--peak=2", *options],
            cwd=ROOT,
            env=env or {},
            capture_output=True,
            text=True,
            timeout=60,
        )
        path = tmp_path / "summary.json"
        summary = json.loads(path.read_text()) if path.exists() else {}
        return Run(done.returncode, done.stdout + done.stderr, summary)

    return run
