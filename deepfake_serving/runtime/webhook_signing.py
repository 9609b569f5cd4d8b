"""Webhook signatures by the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
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


def parse_secrets(secrets: str) -> tuple[Webhook, ...]:
    """Returns the signers of secrets that are separated by commas: two while one is replaced.

    Raises:
        ValueError: a secret has another form.
    """
    return tuple(parse_secret(each.strip()) for each in secrets.split(","))


def signed_headers(
    signers: Sequence[Webhook], event: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Returns the headers that authenticate a body, with a signature by each signer.

    Args:
        timestamp: Seconds since the epoch.
    """
    at = datetime.fromtimestamp(timestamp, UTC)
    return {
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(each.sign(event, at, body.decode()) for each in signers),
    }
