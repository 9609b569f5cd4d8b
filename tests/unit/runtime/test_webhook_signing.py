"""Signatures, checked against the example of the specification."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from deepfake_serving.runtime.webhook_signing import parse_secret, parse_secrets, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's


def secret_of(size: int) -> str:
    return f"whsec_{base64.b64encode(bytes(size)).decode()}"


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_of_24_to_64_bytes_sign(size: int) -> None:
    assert signed_headers(parse_secrets(secret_of(size)), "id", 0, b"")["webhook-signature"]


def test_the_example_of_the_specification_is_reproduced() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, its libraries' tests."""
    headers = signed_headers(
        parse_secrets(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"


def test_receivers_verify_with_the_old_or_the_new_secret_while_one_is_replaced() -> None:
    new, other = "whsec_" + "bmV3" * 8, "whsec_" + "b3Ro" * 8
    headers = signed_headers(parse_secrets(f"{SECRET}, {new}"), "job", int(time.time()), b"{}")
    for secret in (SECRET, new):
        assert Webhook(secret).verify("{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify("{}", headers)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        SECRET[6:],
        "whsec_no base64!",
        "whsec_ü",
        f"{SECRET}!",
        secret_of(23),
        secret_of(65),
    ],
)
def test_an_invalid_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64 of 24 to 64 bytes"):
        parse_secret(secret)
