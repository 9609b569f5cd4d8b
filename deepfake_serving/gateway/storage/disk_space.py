"""Free space of the disks that uploads fill, so that the last of it is left to running jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from deepfake_serving.contracts.problems import StorageFull

log = structlog.get_logger(__name__)

_RETRY_AFTER_S = 60


class DiskSpace:
    """Refuses uploads while a disk is almost full. Reads and deletions are not its concern."""

    def __init__(self, folders: Iterable[Path], min_free_bytes: int) -> None:
        """
        Args:
            folders: each on a disk that uploads fill; those that do not exist are left out.
            min_free_bytes: free space of each disk below which uploads are refused.
        """
        self._folders, self._min_free_bytes = tuple(folders), min_free_bytes
        self._was_full = False

    @property
    def full_reason(self) -> str | None:
        """The reason why uploads are refused, if they are."""
        full = any(_free_bytes(folder) < self._min_free_bytes for folder in self._folders)
        if full and not self._was_full:
            log.warning("disk full: uploads refused", min_free_bytes=self._min_free_bytes)
        elif self._was_full and not full:
            log.info("uploads accepted again")
        self._was_full = full
        return f"less than {self._min_free_bytes} bytes of disk space are left" if full else None

    def check(self) -> None:
        """
        Raises:
            StorageFull: uploads are refused.
        """
        if (reason := self.full_reason) is not None:
            raise StorageFull(reason, retry_after_s=_RETRY_AFTER_S)


def folders_of(*urls: str, temporary: str) -> list[Path]:
    """Returns the local folders of stores, and the one of temporary files."""
    found = [folder for url in urls if (folder := _local_folder(url)) is not None]
    return [*found, Path(temporary)]


def _local_folder(url: str) -> Path | None:
    """Returns the folder of `file:///folder`, or that of the file of `sqlite:///path`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(parts.path)
    return Path(parts.path).parent if parts.scheme == "sqlite" else None


def _free_bytes(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # not created yet, or no longer mounted: writing will fail, with its reason
        return float("inf")
