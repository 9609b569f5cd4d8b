"""Webhook signatures by the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
_FORM = (
    f"the secret must be {_PREFIX} and base64 of 24 to 64 bytes, as "
    f'`echo "{_PREFIX}$(openssl rand -base64 32)"` prints'
)


def parse_secret(secret: str) -> Webhook:
    """Returns the signer of a secret: `whsec_` and base64 of 24 to 64 bytes.

    The library accepts a secret without the prefix, of any length and with stray characters.

    Raises:
        ValueError: the secret has another form.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError as error:  # not base64, or not even ASCII
        raise ValueError(_FORM) from error
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(_FORM)
    return Webhook(key)


def signed_headers(signer: Webhook, event: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Returns the headers that authenticate a body.

    Args:
        timestamp: Seconds since the epoch.
    """
    at = datetime.fromtimestamp(timestamp, UTC)
    return {
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signer.sign(event, at, body.decode()),
    }
