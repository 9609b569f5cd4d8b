"""URLs as clients give them: parsed for the checks, requested without another spelling.

Servers may treat `%2F` and `/` as different (RFC 3986, section 2.2), and signatures cover the
spelling. So percent-encodings are kept.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from yarl import URL

_VALID = "%:/?#[]@!$&'()*+,;=-._~"
"""Characters besides letters and digits that a URL may have (RFC 3986, section 2)."""


def parse_url(url: str) -> URL:
    """Parses a URL whose path and query stay as they are.

    Only characters that no URL may have, such as spaces and umlauts, are percent-encoded.

    Raises:
        ValueError: the URL is malformed, or its host is no name that can be looked up (IDNA).
    """
    parsed, parts = URL(url), urlsplit(url)
    if parsed.host:  # decoding and encoding raise UnicodeError, which is a ValueError
        (parsed.raw_host or "").encode("idna")
    return URL.build(
        scheme=parsed.scheme,
        authority=parsed.raw_authority,
        path=_quoted(parts.path) or parsed.raw_path,
        query_string=_quoted(parts.query),
        encoded=True,
    )


def _quoted(text: str) -> str:
    return quote(text, safe=_VALID, errors="surrogateescape")
