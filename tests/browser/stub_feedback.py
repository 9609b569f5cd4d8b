"""Feedback of the stub gateway, kept in memory."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deepfake_serving.contracts.problems import NotFound
from tests.browser.stub_jobs import Jobs


class FeedbackLog:
    """All labels. `images` are the ids of image responses."""

    def __init__(self, jobs: Jobs, images: set[str]) -> None:
        self._jobs, self._images = jobs, images
        self._given: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/feedback", self.give), web.get("/v1/feedback", self.list)]

    async def give(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["id"] not in self._images | self._jobs.jobs.keys():
            raise NotFound("no image response and no job of yours has the id")
        self._given.insert(0, body)
        return web.json_response(body, status=201)

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response({"feedback": self._given, "next": None})
