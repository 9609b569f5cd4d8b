"""Requests of HTTP/1.1 that parse, with hostile header fields and queries."""

from __future__ import annotations

import random

_TARGETS = (
    "GET /v1/models",
    "GET /v1/info",
    "GET /v1/usage?from={q}&to={q}",
    "GET /v1/keys",
    "GET /v1/jobs?limit={q}&cursor={q}&state={q}&created_from={q}&kind={q}",
    "GET /v1/jobs/{q}",
    "GET /v1/jobs/{q}/events",
    "GET /v1/jobs/{q}/windows?after={q}",
    "GET /v1/jobs/{q}/gallery/{q}",
    "GET /v1/jobs/{q}/media",
    "DELETE /v1/jobs/{q}",
    "GET /v1/feedback?limit={q}&cursor={q}&label={q}",
    "GET /v1/feedback/export?format={q}",
    "HEAD /v1/uploads/{q}",
    "PATCH /v1/uploads/{q}",
    "POST /v1/uploads",
    "POST /v1/images?explain={q}&boxes={q}&model={q}&provenance={q}",
    "POST /v1/images/batch?model={q}",
    "POST /v1/videos?sampling={q}&live={q}&model={q}&max_frames={q}",
    "POST /v2/models/{q}/infer",
    "GET /v2/models/{q}/versions/{q}/stats",
    "GET /v1/stream?model={q}",
    "OPTIONS /v1/images",
    "TRACE /v1/images",
    "GET /{q}",
    "GET /docs?{q}",
    "GET /console/{q}",
)
_NAMES = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Inference-Header-Content-Length",
    "Last-Event-ID",
    "Origin",
    "Prefer",
    "Range",
    "Sec-WebSocket-Protocol",
    "Transfer-Encoding",
    "Tus-Resumable",
    "Upgrade",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-Forwarded-For",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Request-Timeout",
    "traceparent",
    "tracestate",
)
_VALUES = (
    b"",
    b"0",
    b"-1",
    b"1e309",
    b"nan",
    b"18446744073709551616",
    b"\xff\xfe",
    b"\xd9\xa3",
    b"a" * 4000,
    b"bytes=0-,-1,5-2",
    b"bytes=9999999999999999999-",
    b"gzip, br;q=nan, *;q=-1",
    b"multipart/form-data; boundary=",
    b'multipart/form-data; boundary="a',
    b"application/json; charset=utf-99",
    b"chunked, chunked",
    b"100-continue",
    b"respond-async, wait=-1",
    b"Basic !!!!",
    b"Bearer " + b"\x80" * 20,
    b"00-" + b"0" * 32 + b"-" + b"f" * 16 + b"-zz",
    b"Thu, 99 Xxx 9999 99:99:99 GMT",
    b'W/"a", *, "',
    b"1.0.0",
    b"http://[::1",
    b"null",
    b"websocket",
    b'for="_a;b";proto=javascript',
)
_QUERIES = (
    "",
    "-1",
    "1e309",
    "%00",
    "%ff",
    "a%0d%0ab",
    "..%2f..%2fetc",
    "9" * 30,
    "nan:x",
    "a" * 300,
)


def request(key: str, chance: random.Random) -> bytes:
    """Returns a head with a key and up to six hostile fields, and a short body."""
    target = chance.choice(_TARGETS)
    while "{q}" in target:
        target = target.replace("{q}", chance.choice(_QUERIES), 1)
    names = chance.choices(_NAMES, k=chance.randrange(7))
    fields = [b"%s: %s\r\n" % (n.encode(), chance.choice(_VALUES)) for n in names]
    if "Host" not in names:
        fields.append(b"Host: localhost\r\n")
    body = chance.choice((b"", b"{}", b"5\r\nhello\r\n0\r\n\r\n", b"\0" * 100))
    if not {"Content-Length", "Transfer-Encoding"} & set(names):
        fields.append(b"Content-Length: %d\r\n" % len(body))
    fields.append(b"X-API-Key: %s\r\n" % key.encode())
    chance.shuffle(fields)
    return target.encode() + b" HTTP/1.1\r\n" + b"".join(fields) + b"\r\n" + body
