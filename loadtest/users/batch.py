"""Several images in one request."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence

from locust import task

from loadtest import checks
from loadtest.users.base import HttpGatewayUser


class Batch(HttpGatewayUser):
    """`POST /v1/images/batch` with the images as a form's files."""

    measure = ("POST", "/v1/images/batch")

    @task
    def detect(self) -> None:
        images = list(itertools.islice(self.images, self.options.batch))
        names = [f"{n}.jpg" for n in range(len(images))]
        body, content_type = form(names, [image.unique_bytes() for image in images])
        self.request(
            *self.measure,
            lambda document: checks.batch_results(document, names, images),
            data=body,
            headers={"Content-Type": content_type},
        )


def form(names: Sequence[str], files: Sequence[bytes]) -> tuple[bytes, str]:
    """Returns a multipart body with these JPEGs, and its content type (RFC 7578)."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in zip(names, files, strict=True)
    ]
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"
