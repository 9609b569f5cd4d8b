"""Folders of killed processes are deleted, those of running ones are not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from deepfake_serving.runtime.scratch.workspaces import (
    delete_abandoned,
    tidy_workspace,
    workspace,
)


def test_only_abandoned_folders_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, fresh, other = (
        tmp_path / f"{name}" for name in ("deepfake-job-a", "deepfake-job-b", "x")
    )
    for folder in (killed, fresh, other):
        folder.mkdir()
        (folder / "media").write_bytes(b"media")
    (tmp_path / "deepfake-job-link").symlink_to(other)
    with workspace("deepfake-job-") as running:
        for folder in (killed, other, running):
            os.utime(folder, (0, 0))
        assert delete_abandoned("deepfake-job-") == 1
        assert not killed.exists()
        assert fresh.exists()
        assert running.exists()
    assert not running.exists()
    assert (other / "media").exists()


def test_a_tidy_workspace_deletes_abandoned_ones_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "deepfake-copies-a"
    killed.mkdir()
    os.utime(killed, (0, 0))
    with tidy_workspace("deepfake-copies-") as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
