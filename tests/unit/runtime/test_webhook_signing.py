"""Signatures, checked against the example of the specification."""

from __future__ import annotations

import pytest

from deepfake_serving.runtime.webhook_signing import parse_secret, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's


def test_the_example_of_the_specification_is_reproduced() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, its libraries' tests."""
    headers = signed_headers(
        parse_secret(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        SECRET[6:],
        "whsec_no base64!",
        "whsec_ü",
        "whsec_" + "A" * 100,
    ],
)
def test_an_invalid_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64 of 24 to 64 bytes"):
        parse_secret(secret)
