"""Signatures by the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key in a secret: `whsec_` and base64 of 24 to 64 bytes.

    Raises:
        ValueError: it is not.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is no base64") from error
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"the secret is {_PREFIX} and base64 of 24 to 64 bytes")
    return key


def signature(key: bytes, event: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that say who sent a body, when, and that nobody has changed it.

    Args:
        at: seconds since the epoch.
    """
    signed = b".".join([event.encode(), str(at).encode(), body])
    told = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{told}",
    }
