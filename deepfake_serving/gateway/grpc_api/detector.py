"""`deepfake.v1.Detector`, whose methods take a message, or messages, and the call around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import orjson

from deepfake_serving.contracts.jobs import ENDED
from deepfake_serving.contracts.messages import job_message, problem_message, verdict_message
from deepfake_serving.contracts.problems import InvalidRequest, Problem, from_dict
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.ingest.min_rate import paced
from deepfake_serving.gateway.ingest.uploads import streamed, video_link
from deepfake_serving.gateway.jobs.document import job_document
from deepfake_serving.gateway.jobs.submission import VideoRequest
from deepfake_serving.gateway.live.frames import Frame, Latest, judged
from deepfake_serving.gateway.upstream.batch import judge_all
from deepfake_serving.gateway.upstream.client import RequestContext
from deepfake_serving.runtime.request_scope import RequestScope


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its exchange, its metadata, and the seconds that the caller grants."""

    exchange: RequestScope
    metadata: Mapping[str, str]
    remaining_s: float | None


class DetectorService:
    """What REST offers, by the same parts."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def DetectImage(  # noqa: N802 - the protocol's name
        self, request: pb.DetectImageRequest, call: Call
    ) -> pb.ImageVerdict:
        await self.gateway.access.allow(call.metadata, "images")
        model = request.model or self.gateway.upstream.detector()
        call.exchange.note(model=model, bytes=len(request.image))
        document = await self.gateway.upstream.picture(request.image, model, self._asked(call))
        return verdict_message(orjson.loads(document))

    async def DetectBatch(  # noqa: N802
        self, request: pb.DetectBatchRequest, call: Call
    ) -> pb.DetectBatchResponse:
        await self.gateway.access.allow(call.metadata, "images")
        if not request.images:
            raise InvalidRequest("the batch holds no picture")
        model = request.model or self.gateway.upstream.detector()
        call.exchange.note(model=model, items=len(request.images))
        pictures = [_reader(image) for image in request.images]
        results = await judge_all(self.gateway.upstream, pictures, model, self._asked(call))
        return pb.DetectBatchResponse(
            results=[_result(r, f"{call.exchange.id}.{n}") for n, r in enumerate(results)]
        )

    async def SubmitVideo(  # noqa: N802
        self, messages: AsyncIterator[pb.SubmitVideoRequest], call: Call
    ) -> pb.Job:
        principal = await self.gateway.access.allow(call.metadata, "videos")
        first = await anext(messages, None)
        if first is None or first.WhichOneof("part") != "options":
            raise InvalidRequest("the first message holds the options, the others the video")
        asked, trace = _video_request(first.options), call.exchange.traceparent
        if first.options.url:
            given = video_link(self.gateway, first.options.url, live=False)
            job = await self.gateway.submission.submit(given, asked, principal, trace)
        else:
            most = self.gateway.settings.max_video_bytes
            chunks = paced(_chunks(messages), self.gateway.settings.upload_min_rate)
            async with streamed(chunks, first.options.name, most) as medium:
                job = await self.gateway.submission.submit(medium, asked, principal, trace)
        return job_message(job_document(job))

    async def GetJob(self, request: pb.JobRequest, call: Call) -> pb.Job:  # noqa: N802
        principal = await self.gateway.access.allow(call.metadata, "jobs")
        return job_message(await self.gateway.jobs.document(request.id, principal))

    async def CancelJob(self, request: pb.JobRequest, call: Call) -> pb.Job:  # noqa: N802
        principal = await self.gateway.access.allow(call.metadata, "jobs")
        return job_message(job_document(await self.gateway.jobs.cancel(request.id, principal)))

    async def WatchJob(  # noqa: N802
        self, request: pb.JobRequest, call: Call
    ) -> AsyncIterator[pb.Job]:
        principal = await self.gateway.access.allow(call.metadata, "jobs")
        async for job in self.gateway.jobs.watch(request.id, principal):
            if job is None:
                continue
            if job.state in ENDED:
                yield job_message(await self.gateway.jobs.document(job.id, principal))
            else:
                yield job_message(job_document(job))

    async def DetectStream(  # noqa: N802
        self, messages: AsyncIterator[pb.StreamFrame], call: Call
    ) -> AsyncIterator[pb.StreamVerdict]:
        await self.gateway.access.allow(call.metadata, "stream")
        first = await anext(messages, None)
        if first is None:
            return
        model = first.model or self.gateway.upstream.detector()
        answers: asyncio.Queue[pb.StreamVerdict | None] = asyncio.Queue(1)
        frames = Latest()
        frames.put(first.image)

        async def read() -> None:
            async for message in messages:
                frames.put(message.image)
            frames.close()

        async def judge(frame: Frame) -> bytes:
            asked = self._asked(call).part(frame.number)
            return await self.gateway.upstream.picture(frame.picture, model, asked)

        async def tell(message: dict[str, Any]) -> None:
            await answers.put(_stream_verdict(message))

        async def work() -> None:
            judging = judged(frames, judge, tell, self._count)
            await asyncio.gather(read(), judging)
            await answers.put(None)

        with self.gateway.stream():
            working = asyncio.create_task(work())
            try:
                while (answer := await _next(answers, working)) is not None:
                    yield answer
            finally:
                working.cancel()
                self.gateway.metrics.stream_frames.labels("dropped").inc(frames.dropped)

    def _count(self, outcome: str) -> None:
        self.gateway.metrics.stream_frames.labels(outcome).inc()

    def _asked(self, call: Call) -> RequestContext:
        limit = self.gateway.settings.request_timeout_s
        seconds = limit if call.remaining_s is None else min(limit, call.remaining_s)
        deadline = asyncio.get_running_loop().time() + seconds
        return RequestContext(call.exchange.id, deadline, call.exchange.traceparent)


async def _next(
    answers: asyncio.Queue[pb.StreamVerdict | None], working: asyncio.Task[None]
) -> pb.StreamVerdict | None:
    """The next answer; raises what ended the work."""
    getting = asyncio.ensure_future(answers.get())
    await asyncio.wait({getting, working}, return_when=asyncio.FIRST_COMPLETED)
    if not getting.done() and working.done():
        getting.cancel()
        working.result()
        return None
    return await getting


def _video_request(options: pb.VideoOptions) -> VideoRequest:
    aggregation = options.aggregation or None
    if aggregation not in (None, *get_args(Aggregation)):
        known = ", ".join(get_args(Aggregation))
        raise InvalidRequest(f"there is no aggregation {aggregation!r}; there are: {known}")
    return VideoRequest(
        options.sampling or None,
        options.shots if options.HasField("shots") else True,
        cast("Aggregation | None", aggregation),
        options.model or None,
        options.webhook or None,
        options.idempotency_key or None,
    )


async def _chunks(messages: AsyncIterator[pb.SubmitVideoRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("part") != "chunk":
            raise InvalidRequest("the options come first and once; then the video in chunks")
        yield message.chunk


def _stream_verdict(message: dict[str, Any]) -> pb.StreamVerdict:
    answer = pb.StreamVerdict(frame=message["frame"], dropped=message["dropped"])
    if "problem" in message:
        problem = from_dict(message["problem"])
        answer.problem.CopyFrom(problem_message(problem, message["problem"].get("id", "")))
        return answer
    answer.verdict.CopyFrom(verdict_message(message["verdict"]))
    if message["smoothed"] is not None:
        answer.smoothed = message["smoothed"]
    return answer


def _result(result: bytes | Problem, item_id: str) -> pb.BatchResult:
    if isinstance(result, Problem):
        return pb.BatchResult(problem=problem_message(result, item_id))
    return pb.BatchResult(verdict=verdict_message(orjson.loads(result)))


def _reader(picture: bytes) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return picture

    return read
