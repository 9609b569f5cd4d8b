"""Feedback as a development set, a zip that `evaluate` and `evaluate-all` read once unpacked.

    feedback/labels.jsonl    a line for each label, with digest, verdict and model
    feedback/real/…          media labelled real, as far as they are stored
    feedback/fake/…
    feedback/faces/…         images with several faces, of which single ones are labelled

Media that are stored are copied as they are. Nothing is decoded here: they come from strangers.
"""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import IO

import orjson

from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.gateway.feedback.document import feedback_document
from deepfake_serving.gateway.feedback.records import Feedback
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.runtime.serialization import to_json

SET = "feedback"
_CHUNK_BYTES = 2**20
_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, ".jpg"),
    (b"\x89PNG", 0, ".png"),
    (b"WEBP", 8, ".webp"),
    (b"GIF8", 0, ".gif"),
    (b"BM", 0, ".bmp"),
    (b"ftypavif", 4, ".avif"),
    (b"ftyphei", 4, ".heic"),
)
"""Bytes at a position, and the suffix of files that have them."""
_VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"}


async def write_export(feedback: AsyncIterator[Feedback], objects: Objects, file: IO[bytes]) -> int:
    """Writes the zip, and returns the number of labels.

    Of several labels for the same face, the newest one is written.
    """
    lines: list[bytes] = []
    seen: set[tuple[str, int | None, str | None]] = set()
    written: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        async for each in feedback:
            part = each.digest or each.id, each.face, each.track
            if part in seen:
                continue
            seen.add(part)
            name = await _copy(each, objects, archive, written)
            lines.append(to_json(feedback_document(each), {"file": orjson.dumps(name)}))
        archive.writestr(f"{SET}/labels.jsonl", b"".join(line + b"\n" for line in lines))
    return len(lines)


async def read_file(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Yields a file from its begin, in chunks, and closes it."""
    with file:
        file.seek(0)
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk


async def _copy(
    feedback: Feedback, objects: Objects, archive: zipfile.ZipFile, written: set[str]
) -> str | None:
    """Copies the media of feedback, and returns their path in the set; None if none are stored."""
    if feedback.object is None:
        return None
    with NamedTemporaryFile(suffix=".media") as temporary:
        path = Path(temporary.name)
        try:
            await objects.get_file(feedback.object, path)
        except NotFound:
            return None  # deleted meanwhile
        name = f"{_folder(feedback)}/{_name(feedback)}{_suffix(feedback, path)}"
        if name not in written:
            await asyncio.to_thread(archive.write, path, f"{SET}/{name}")
            written.add(name)
    return name


def _folder(feedback: Feedback) -> str:
    """Returns the folder: the label is that of the file unless it is of one face among several."""
    return "faces" if feedback.face is not None and feedback.faces > 1 else feedback.label


def _name(feedback: Feedback) -> str:
    """Returns a name of letters and digits, whatever the client's ids are."""
    digest = (feedback.digest or "").removeprefix("sha256:")[:16] or feedback.id[:32]
    return digest if feedback.track is None else f"{digest}-track-{feedback.track}"


def _suffix(feedback: Feedback, path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    for signature, position, suffix in _SIGNATURES:
        if head[position:].startswith(signature):
            return suffix
    suffix = PurePosixPath(feedback.name or "").suffix.lower()
    return suffix if suffix in _VIDEO_SUFFIXES else ".media"
