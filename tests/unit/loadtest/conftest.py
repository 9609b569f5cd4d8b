"""Fixtures that run complete load tests, each as a process."""

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

USERS = 2
"""Users of a run. At its end each may have one request in flight that it does not count."""


@dataclass(frozen=True)
class Run:
    """The outcome of a run."""

    code: int
    output: str
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Run]:
    """Runs users of a kind against a URL for a second or two; the media they send is not real.

    With `--requests`, a run ends after them instead, however slow the machine is.
    """
    media = tmp_path / "media"
    media.mkdir()
    (media / "1-512x512-a.jpg").write_bytes(b"\xff\xd8not decoded")
    (media / "1-512x512-a.mp4").write_bytes(b"not decoded")

    def run(user: str, url: str, *options: str, env: dict[str, str] | None = None) -> Run:
        arguments = [user, "--url", url, "--out", str(tmp_path), "--media", str(media)]
        counted = any(option.startswith("--requests=") for option in options)
        arguments += [f"--duration={120 if counted else 1.5}", f"--peak={USERS}", *options]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "loadtest",
                *arguments,
            ],
            cwd=ROOT,
            env=env or {},
            capture_output=True,
            text=True,
            timeout=240,
        )
        path = tmp_path / "summary.json"
        summary = json.loads(path.read_text()) if path.exists() else {}
        return Run(done.returncode, done.stdout + done.stderr, summary)

    return run
