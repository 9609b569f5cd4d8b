"""Pictures by REST."""

from __future__ import annotations

from locust import task

from loadtest import checks
from loadtest.users.base import HttpCaller


class ImageRest(HttpCaller):
    """`POST /v1/images` with the picture as the body."""

    measure = ("POST", "/v1/images")

    @task
    def judge(self) -> None:
        picture = next(self.pictures)
        self.ask(
            *self.measure,
            lambda document: checks.image(document, picture),
            data=picture.anew(),
            headers={"Content-Type": "image/jpeg"},
        )
