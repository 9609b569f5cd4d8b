"""One real server with a real TorchServe below it, shared by all integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_store.archive import Archive
from tests.integration.running import RunningServer


@pytest.fixture(scope="session")
def archive_folder(archives: dict[str, Archive]) -> Path:
    """The folder that holds the .mar of every model."""
    return archives["detector"].path.parent


@pytest.fixture(scope="session")
def server(archive_folder: Path) -> Iterator[RunningServer]:
    """All three models with one worker each; ends with exit code 0 and nothing left behind."""
    with RunningServer.start(archive_folder, max_body_bytes=4 * 2**20, max_items=8) as running:
        yield running
        assert running.process.poll() is None, running.tail()
        assert len(running.workers()) == 3
        assert running.stop() == 0, running.tail()
        assert running.leftovers() == []
