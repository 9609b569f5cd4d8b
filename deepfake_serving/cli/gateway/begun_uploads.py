"""Uploads that were begun on this machine, so that the same command goes on with them."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import orjson
from platformdirs import user_state_path


class BegunUpload:
    """The id of a file's upload to a server. It is kept until `forget`, where the user's folder for
    state can be written; otherwise until the process ends.
    """

    def __init__(self, server: str, path: Path) -> None:
        """A file that has changed since is another one."""
        stat = path.stat()
        identity = [server, str(path.resolve()), stat.st_size, stat.st_mtime_ns]
        name = hashlib.sha256(orjson.dumps(identity)).hexdigest()
        folder = user_state_path("deepfake-serving", appauthor=False) / "uploads"
        self._file = folder / name
        self.id: str | None = None
        with contextlib.suppress(OSError):
            self.id = self._file.read_text() or None

    def remember(self, upload_id: str) -> None:
        self.id = upload_id
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(upload_id)

    def forget(self) -> None:
        self.id = None
        with contextlib.suppress(OSError):
            self._file.unlink()
