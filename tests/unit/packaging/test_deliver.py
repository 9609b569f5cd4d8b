"""The delivery of archives to a pod: verification, reported failures, retries."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deepfake_serving.packaging import delivery_probe
from deepfake_serving.packaging.deliver import Archive, Delivery, deliver
from deepfake_serving.packaging.fetch import DigestMismatch

CONTENT = b"an archive"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
WRONG = "sha256:" + "0" * 64


def test_an_existing_archive_is_verified(tmp_path: Path) -> None:
    (tmp_path / "detector.mar").write_bytes(CONTENT)
    deliver(Delivery(folder=tmp_path, archives={"detector": Archive(digest=DIGEST)}))
    with pytest.raises(DigestMismatch, match=r"0{64}"):
        deliver(Delivery(folder=tmp_path, archives={"detector": Archive(digest=WRONG)}))


def test_a_missing_archive_is_fetched_from_its_source(tmp_path: Path) -> None:
    source = tmp_path / "source.mar"
    source.write_bytes(CONTENT)
    archives = {"detector": Archive(digest=DIGEST, source=str(source))}
    deliver(Delivery(folder=tmp_path / "models", archives=archives))
    assert (tmp_path / "models" / "detector.mar").read_bytes() == CONTENT


def test_a_missing_archive_without_a_source_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"detector\.mar"):
        deliver(Delivery(folder=tmp_path, archives={"detector": Archive(digest=DIGEST)}))


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [(None, 1, "in progress"), ("a reason", 1, "a reason"), ("", 0, "")],
)
def test_the_probe_prints_the_reason_it_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    state: str | None,
    code: int,
    words: str,
) -> None:
    monkeypatch.setattr(delivery_probe, "STATE", tmp_path / "state")
    if state is not None:
        (tmp_path / "state").write_text(state)
    assert delivery_probe.main() == code
    assert words in capsys.readouterr().out


def test_the_process_retries_and_then_waits_with_little_memory(tmp_path: Path) -> None:
    """The archive arrives late, the probe reports the reason, and SIGTERM ends the sidecar."""
    state, archive = tmp_path / "state", tmp_path / "detector.mar"
    program = (
        "import pathlib, sys; from deepfake_serving.packaging import deliver; "
        f"deliver.STATE = pathlib.Path({str(state)!r}); deliver._PAUSE_S = 0.1; "
        "sys.exit(deliver.main())"
    )
    delivery = Delivery(folder=tmp_path, archives={"detector": Archive(digest=DIGEST)})
    environment = {**os.environ, "DEEPFAKE_DELIVERY": delivery.model_dump_json()}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        _until(lambda: state.exists() and "No such file" in state.read_text())
        archive.write_bytes(CONTENT)
        _until(lambda: state.read_text() == "")
        _until(lambda: b"sigwait" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        time.sleep(0.3)
        assert process.poll() is None
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        assert pages * os.sysconf("SC_PAGESIZE") < 16 * 2**20
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    "wrong", ["", "{}", '{"folder": "/m", "archives": {"a": {"digest": "x"}}}']
)
def test_an_invalid_configuration_is_refused(wrong: str) -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "deepfake_serving.packaging.deliver"],
        env={**os.environ, "DEEPFAKE_DELIVERY": wrong},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 2
    assert "DEEPFAKE_DELIVERY" in completed.stderr


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
