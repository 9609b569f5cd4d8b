"""Resumable uploads (tus 1.0) with hostile headers, in any order."""

from __future__ import annotations

import random

import httpx

_NUMBERS = ("0", "1", "-1", "1e3", "0x10", "99999999999999999999", "", "٣", "1, 1", "+1", " 1 ")
_METADATA = (
    "filename YS5tcDQ=",
    "filename",
    "filename !!",
    "a b,c d",
    ",",
    "filename " + "A" * 4000,
)
_TYPES = ("application/offset+octet-stream", "application/json", "")


async def upload(client: httpx.AsyncClient, data: bytes, chance: random.Random) -> str:
    """Creates an upload, sends parts of `data` at true and at wrong offsets, and deletes it.

    Returns the statuses' worst: the highest.
    """
    length = chance.choice((str(len(data)), str(len(data)), *_NUMBERS))
    headers = {
        "Tus-Resumable": chance.choice((*("1.0.0",) * 9, "0.2")),
        "Upload-Length": length,
    }
    if chance.random() < 0.5:
        headers["Upload-Metadata"] = chance.choice(_METADATA)
    created = await client.post("/v1/uploads", headers=_encoded(headers))
    if created.status_code != 201:
        return str(created.status_code)
    path, worst, offset = created.headers["Location"], created.status_code, 0
    for _ in range(chance.randrange(5)):
        part = data[offset : offset + chance.choice((0, 1, 1000, len(data)))]
        at = str(offset) if chance.random() < 0.7 else chance.choice(_NUMBERS)
        sent = await client.request(
            chance.choice(("PATCH", "PATCH", "PATCH", "HEAD", "GET")),
            path,
            content=part,
            headers=_encoded(
                {
                    "Tus-Resumable": "1.0.0",
                    "Upload-Offset": at,
                    "Content-Type": chance.choice((_TYPES[0], _TYPES[0], *_TYPES)),
                }
            ),
        )
        worst = max(worst, sent.status_code)
        given = sent.headers.get("Upload-Offset", "")
        offset = int(given) if given.isdecimal() else offset
    deleted = await client.delete(path, headers={"Tus-Resumable": "1.0.0"})
    return str(max(worst, deleted.status_code))


def _encoded(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}
