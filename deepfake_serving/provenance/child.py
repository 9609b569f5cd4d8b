"""The process that reads one image: `python -m deepfake_serving.provenance.child`.

The parsers of credentials and metadata read hostile files. So memory and processor time are
limited, and once the libraries are loaded, no file and no connection can be opened.
"""

from __future__ import annotations

import hashlib
import io
import resource
import sys

import orjson
from PIL import ExifTags, Image

from deepfake_serving.contracts.provenance import ContentCredentials, Provenance
from deepfake_serving.provenance.contradictions import contradictions
from deepfake_serving.provenance.credentials import read_credentials
from deepfake_serving.provenance.metadata import media_type, read_metadata

_MAX_MEMORY_BYTES = 2**30


def main() -> None:
    """Reads a line with the length of the trusted certificates, those, and the image; writes JSON.

    The first argument is the limit of processor time in seconds.
    """
    read(_first_image(), None)  # loads what the libraries import late
    _limit(int(sys.argv[1]))
    length = int(sys.stdin.buffer.readline())
    anchors = sys.stdin.buffer.read(length).decode()
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(orjson.dumps(read(data, anchors or None)))


def read(data: bytes, anchors: str | None) -> Provenance:
    """Returns the provenance of an image, whatever it contains."""
    metadata = read_metadata(data)
    credentials, unread = _credentials(data, anchors)
    return Provenance(
        sha256=hashlib.sha256(data).hexdigest(),
        credentials=credentials,
        **metadata._asdict(),
        contradictions=contradictions(credentials, metadata),
        unread=unread,
    )


def _credentials(data: bytes, anchors: str | None) -> tuple[ContentCredentials | None, str | None]:
    """Returns the credentials, or why they could not be read."""
    kind = media_type(data)
    if kind is None:
        return None, "the file's format is unknown"
    try:
        return read_credentials(data, kind, anchors), None
    except ImportError:
        return None, "content credentials are not read here: the extra `provenance` is missing"
    except Exception as error:  # the bindings raise many kinds
        return None, f"content credentials can't be read: {type(error).__name__}"


def _first_image() -> bytes:
    """Returns an image of one pixel with EXIF."""
    Image.init()
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "none"
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def _limit(seconds: int) -> None:
    """Limits this process; soft and hard, so that it can't raise the limits again."""
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    if sys.platform == "linux":  # elsewhere it is not enforced, or counts the libraries
        limits[resource.RLIMIT_AS] = _MAX_MEMORY_BYTES
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main()
