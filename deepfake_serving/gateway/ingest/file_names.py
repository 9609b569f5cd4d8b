"""Names of uploaded files, in the encodings that clients use, and as they are displayed."""

from __future__ import annotations

import re
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote

_MAX_LENGTH = 200
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=")


def disposition_name(disposition: bytes) -> str:
    """Returns the file name in a part's Content-Disposition; "" where it has none.

    `filename*` (RFC 5987) wins over `filename`, which may be UTF-8 as browsers send it (RFC 7578,
    section 4.2), or have encoded words (RFC 2047).
    """
    message = Message()
    message["Content-Disposition"] = re.sub(r"[\r\n]+", " ", disposition.decode("latin-1"))
    parameters = message.get_params([], header="Content-Disposition")
    names = [value for name, value in parameters if name.lower() == "filename"]
    for name in names:
        if isinstance(name, tuple):  # charset, language, value
            return collapse_rfc2231_value(name)
    return decoded_name(names[0]) if names else ""


def header_name(value: str) -> str:
    """Returns the file name in a header of its own: percent-encoded, UTF-8 or encoded words.

    Args:
        value: as ASGI servers decode it, from Latin-1.
    """
    return unquote(decoded_name(value))


def decoded_name(value: str) -> str:
    """Decodes UTF-8 that was decoded as Latin-1, or else encoded words."""
    name = value.encode("latin-1", "replace").decode(errors="replace")
    if not _ENCODED_WORD.search(name):
        return name
    try:
        return str(make_header(decode_header(name)))
    except (ValueError, LookupError):  # an unknown charset, or bytes that it does not have
        return name


def display_name(name: str) -> str | None:
    """Returns a file's name for display: its last path segment, printable, of limited length."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in last if c.isprintable()).strip()
    return clean[:_MAX_LENGTH] or None
