"""Images by REST."""

from __future__ import annotations

from locust import task

from loadtest import checks
from loadtest.users.base import HttpGatewayUser


class ImageRest(HttpGatewayUser):
    """`POST /v1/images` with the image as the body."""

    measure = ("POST", "/v1/images")

    @task
    def detect(self) -> None:
        image = next(self.images)
        self.request(
            *self.measure,
            lambda document: checks.image_verdict(document, image),
            data=image.unique_bytes(),
            headers={"Content-Type": "image/jpeg"},
        )
