"""Jobs of the stub gateway: kept in memory, sent as events, cancelled and deleted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mimetypes
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
from aiohttp import BodyPartReader, ClientConnectionResetError, web

from deepfake_serving.contracts.problems import NotFound, UndecodableMedia
from tests.browser.media import stills
from tests.browser.stub_uploads import UploadStore
from tests.browser.stub_video import Result

_STEP_S = 0.15
Job = dict[str, Any]


async def uploaded_file(request: web.Request) -> tuple[str, bytes]:
    """Reads the file of a form; `request.post` leaves its own open when a client disconnects."""
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "file":
            return part.filename or "", bytes(await part.read())
    raise web.HTTPBadRequest


class Jobs:
    """Jobs in memory. A job whose name begins with `long` runs until it is cancelled."""

    def __init__(self, folder: Path, model: dict[str, Any], name_of: Callable[[str], str]) -> None:
        self.folder, self.model, self.name_of = folder, model, name_of
        self.jobs: dict[str, Job] = {}
        self.images: dict[tuple[str, str], bytes] = {}
        self.changed = asyncio.Condition()
        self.uploads = UploadStore()
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/videos", self.submit),
            *self.uploads.routes(),
            web.get("/v1/jobs", self.list),
            web.get("/v1/jobs/{id}", self.get),
            web.delete("/v1/jobs/{id}", self.delete),
            web.get("/v1/jobs/{id}/events", self.events),
            web.get("/v1/jobs/{id}/media", self.media),
            web.get("/v1/jobs/{id}/gallery/{name}", self.image),
        ]

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def submit(self, request: web.Request) -> web.Response:
        media = await request.json() if request.content_type == "application/json" else {}
        if url := media.get("url"):
            self.name_of(url)
            data = (self.folder / "shots.mp4").read_bytes()
            return self._accept(request, url, data, {"url": url, "bytes": None})
        if upload_id := media.get("upload"):
            upload = self.uploads.find(upload_id)
            return self._accept(request, upload.name, bytes(upload.data))
        return self._accept(request, *await uploaded_file(request))

    def accept_image(self, name: str, data: bytes, verdict: dict[str, Any]) -> web.Response:
        """Responds with an image job that has ended."""
        job = self._new(name, data, {"boxes": "pixels"}) | {
            "kind": "image",
            "state": "succeeded",
            "summary": {key: verdict[key] for key in ("verdict", "fake_probability")},
            "result": verdict,
        }
        self.jobs[job["id"]] = job
        return _accepted(job)

    def _accept(
        self, request: web.Request, name: str, data: bytes, changes: dict[str, Any] | None = None
    ) -> web.Response:
        job = self._new(name, data, dict(request.query))
        job["source"] |= changes or {}
        self.jobs[job["id"]] = job
        self.tasks[job["id"]] = asyncio.create_task(self._run(job))
        return _accepted(job)

    def _new(self, name: str, data: bytes, options: dict[str, str]) -> Job:
        job_id = uuid.uuid4().hex[:12]
        (self.folder / job_id).write_bytes(data)
        source = {"name": name, "url": None, "bytes": len(data), "digest": None}
        return _new(job_id, source, options)

    async def _run(self, job: Job) -> None:
        path = self.folder / job["id"]
        await self._set(job, state="running", started_at=_now(), progress=_progress("fetch"))
        try:
            frames = await asyncio.to_thread(stills, path, 5)
        except av.FFmpegError as error:
            problem = UndecodableMedia(f"{job['source']['name']}: {error.strerror}").to_dict("x")
            await self._set(job, state="failed", problem=problem, finished_at=_now())
            return
        for part in range(1, 6):
            progress = _progress("analyse", part * len(frames) // 5, part * 20.0, 3.0 - part / 2)
            await self._set(job, progress=progress)
            if job["source"]["name"].startswith("long"):
                await asyncio.Event().wait()  # until the job is cancelled
            await asyncio.sleep(_STEP_S)
        built = Result(job["id"], self.folder, frames)
        result = await asyncio.to_thread(built.document, job, self.model)
        self.images |= built.images
        tracks = [track for shot in result["shots"] for track in shot["tracks"]]
        highest = max(tracks, key=lambda track: track["fake_probability"], default=None)
        job["summary"] = {key: result[key] for key in ("verdict", "fake_probability")}
        job["summary"]["image"] = highest and highest["keyframe"]
        progress = _progress("done", len(frames), 100.0, 0.0)
        await self._set(
            job, state="succeeded", result=result, progress=progress, finished_at=_now()
        )

    async def _set(self, job: Job, **change: Any) -> None:
        async with self.changed:
            job.update(change)
            self.changed.notify_all()

    def _job(self, request: web.Request) -> Job:
        try:
            return self.jobs[request.match_info["id"]]
        except KeyError:
            raise NotFound(f"no job {request.match_info['id']}") from None

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self._job(request))

    async def list(self, request: web.Request) -> web.Response:
        state, text = request.query.get("state"), request.query.get("q", "")
        begin, limit = int(request.query.get("cursor", 0)), int(request.query.get("limit", 50))
        jobs = [
            {k: v for k, v in job.items() if k != "result"}
            for job in reversed(self.jobs.values())
            if state in (None, job["state"]) and text in job["source"]["name"]
        ]
        following = str(begin + limit) if begin + limit < len(jobs) else None
        return web.json_response({"jobs": jobs[begin : begin + limit], "next": following})

    async def delete(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job["state"] in ("queued", "running"):
            self.tasks[job["id"]].cancel()
            await self._set(job, state="cancelled", finished_at=_now())
            return web.json_response(job, status=202)
        del self.jobs[job["id"]]
        return web.Response(status=204)

    async def events(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ClientConnectionResetError):  # the page was closed
            await self._send_events(job, response)
        return response

    async def _send_events(self, job: Job, response: web.StreamResponse) -> None:
        while job["state"] in ("queued", "running"):
            document = {k: v for k, v in job.items() if k != "result"}
            await response.write(b"event: progress\ndata: %s\n\n" % json.dumps(document).encode())
            async with self.changed:
                await self.changed.wait()
        await response.write(b"event: end\ndata: %s\n\n" % json.dumps(job).encode())

    async def media(self, request: web.Request) -> web.FileResponse:
        job = self._job(request)
        kind, _ = mimetypes.guess_type(job["source"]["name"])
        headers = {"Content-Type": kind or "video/mp4"}
        return web.FileResponse(self.folder / job["id"], headers=headers)

    async def image(self, request: web.Request) -> web.Response:
        data = self.images[request.match_info["id"], request.match_info["name"]]
        kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        return web.Response(body=data, content_type=kind)


def _new(job_id: str, source: dict[str, Any], options: dict[str, str]) -> Job:
    path = f"/v1/jobs/{job_id}"
    return {
        "id": job_id,
        "kind": "video",
        "state": "queued",
        "created_at": _now(),
        "started_at": None,
        "finished_at": None,
        "attempt": 1,
        "source": source,
        "options": options,
        "progress": _progress("queued"),
        "problem": None,
        "summary": None,
        "result": None,
        "cached": False,
        "links": {"self": path, "events": f"{path}/events", "media": f"{path}/media"},
    }


def _accepted(job: Job) -> web.Response:
    return web.json_response(job, status=202, headers={"Location": job["links"]["self"]})


def _progress(
    stage: str, frames: int = 0, percent: float | None = None, eta_s: float | None = None
) -> dict[str, Any]:
    return {"stage": stage, "frames": frames, "percent": percent, "eta_s": eta_s}


def _now() -> str:
    return datetime.now(UTC).isoformat()
