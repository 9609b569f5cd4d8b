"""Reads the provenance of images, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from deepfake_serving.assets import PACKAGE
from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.provenance import Provenance
from deepfake_serving.runtime.process.shutdown import end_with_parent
from deepfake_serving.runtime.serialization import from_json
from deepfake_serving.runtime.settings import SettingsError

MAX_CONCURRENT = 2
_MAX_CPU_S = 10
_MAX_OUTPUT_BYTES = 256 * 1024
_PEM = "-----BEGIN CERTIFICATE-----"
_CHILD = "deepfake_serving.provenance.child"


def read_anchors(path: Path | None) -> str:
    """Reads the setting `provenance_anchors`.

    Raises:
        SettingsError: it names no file of certificates that can be read.
    """
    try:
        return load_anchors(path) if path is not None else ""
    except (OSError, InvalidRequest) as error:
        raise SettingsError(f"provenance_anchors: {error}") from error


def load_anchors(path: Path) -> str:
    """Reads a PEM file of certificates.

    Raises:
        OSError: it can't be read.
        InvalidRequest: it has none.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    if _PEM not in text:
        raise InvalidRequest(f"{path}: no certificate in PEM format")
    return text


class ProvenanceReader:
    """Reads up to two images at once; others wait."""

    def __init__(
        self,
        anchors: str = "",
        timeout_s: float = 60,
        slots: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        """
        Args:
            anchors: certificates, PEM, whose signatures are trusted.
            timeout_s: limit of one image, from the start of its process. Processor time has a
                limit of its own, which is what hostile files run into.
            slots: entered while an image is read; by default, they are free in order.
        """
        self._anchors, self._timeout_s = anchors.encode(), timeout_s
        self._slots = slots or asyncio.Semaphore(MAX_CONCURRENT)

    async def read(self, image: bytes) -> Provenance:
        """Returns the provenance of an encoded image.

        It never fails: `unread` says why nothing but the digest is known.
        """
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout_s):
                    output = await self._run(image)
                return from_json(Provenance, output)
            except TimeoutError:
                reason = f"reading it took longer than the limit of {self._timeout_s:g} s"
            except (ValueError, OSError):
                reason = "reading it took more memory or time than the limits, or failed"
        return Provenance(hashlib.sha256(image).hexdigest(), unread=reason)

    async def _run(self, image: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _CHILD, str(_MAX_CPU_S)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGKILL),
        )
        assert process.stdout is not None
        try:
            writing = asyncio.create_task(self._write(process, image))
            output = b""
            while len(output) <= _MAX_OUTPUT_BYTES and (chunk := await process.stdout.read(2**16)):
                output += chunk
            await writing
            return output
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _write(self, process: asyncio.subprocess.Process, image: bytes) -> None:
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(b"%d\n" % len(self._anchors))
            process.stdin.write(self._anchors)
            process.stdin.write(image)
            await process.stdin.drain()
        process.stdin.close()
