"""`deepfake.v1.Detector`: a method takes a message, or a stream of messages, and its call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack

import orjson

from deepfake_serving.contracts.jobs import ENDED, IMAGE, LIVE, Job
from deepfake_serving.contracts.live import LiveVerdict
from deepfake_serving.contracts.messages import problem_message, verdict_message
from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call, StreamStopped
from deepfake_serving.gateway.grpc_api.feedback import feedback_message, feedback_request
from deepfake_serving.gateway.grpc_api.frame_stream import detect_frames
from deepfake_serving.gateway.grpc_api.images import read_images
from deepfake_serving.gateway.grpc_api.job_filter import job_filter, page_size
from deepfake_serving.gateway.grpc_api.messages import (
    job_message,
    live_message,
    video_message,
    window_message,
)
from deepfake_serving.gateway.grpc_api.submissions import (
    box_unit,
    image_media,
    image_request,
    video_request,
)
from deepfake_serving.gateway.ingest.links import video_link
from deepfake_serving.gateway.ingest.min_rate import enforce_min_rate
from deepfake_serving.gateway.ingest.uploads import spool_chunks
from deepfake_serving.gateway.jobs.document import job_document
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.batch import detect_batch
from deepfake_serving.runtime.serialization import from_json


class DetectorService:
    """The operations of REST, on the same parts."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def DetectImage(  # noqa: N802 - the protocol's name
        self, request: pb.DetectImageRequest, call: Call
    ) -> pb.ImageVerdict:
        model = self.gateway.upstream.detector(request.model)
        call.scope.note(model=model)
        context, urls = call.context(self.gateway), [request.url] if request.url else []
        async with read_images([request.image], urls, self.gateway, call, context) as (image,):
            if isinstance(image, Problem):
                raise image
            data = await image()
        call.scope.note(bytes=len(data))
        call.count_images(self.gateway, 1)
        verdict = await self._analysis(model, request, call).run(data, context)
        return verdict_message(orjson.loads(verdict))

    async def DetectBatch(  # noqa: N802
        self, request: pb.DetectBatchRequest, call: Call
    ) -> pb.DetectBatchResponse:
        if not (request.images or request.urls):
            raise InvalidRequest("the batch has no image")
        model = self.gateway.upstream.detector(request.model)
        context = call.context(self.gateway)
        async with read_images(request.images, request.urls, self.gateway, call, context) as images:
            call.scope.note(model=model, items=len(images))
            found = sum(not isinstance(image, Problem) for image in images)
            call.count_images(self.gateway, found)
            results = await detect_batch(self._analysis(model, request, call), images, context)
        for result in results:
            call.scope.count_item(result, self.gateway.metrics)
        return pb.DetectBatchResponse(
            results=[_batch_result(r, context.for_item(n).id) for n, r in enumerate(results)]
        )

    def _analysis(
        self, model: str, request: pb.DetectImageRequest | pb.DetectBatchRequest, call: Call
    ) -> ImageAnalysis:
        return self.gateway.analysis(
            model,
            call.principal,
            explain=request.explain,
            provenance=request.provenance,
            boxes=box_unit(request),
            preview=isinstance(request, pb.DetectImageRequest) and request.preview,
        )

    async def SubmitImage(  # noqa: N802
        self, request: pb.SubmitImageRequest, call: Call
    ) -> pb.Job:
        self.gateway.disk_space.check()
        async with image_media(request, self.gateway) as medium:
            job, created = await self.gateway.submission.submit(
                medium, image_request(request), call.principal, call.scope.traceparent
            )
        call.count_images(self.gateway, int(created))
        call.scope.note(job=job.id, bytes=job.source.bytes)
        return job_message(job_document(job))

    async def SubmitVideo(  # noqa: N802
        self, messages: AsyncIterator[pb.SubmitVideoRequest], call: Call
    ) -> pb.Job:
        self.gateway.disk_space.check()
        with self.gateway.video_streams.reserve(call.principal):
            job = await self._submit(messages, call)
        call.scope.note(job=job.id, bytes=job.source.bytes)
        return job_message(job_document(job))

    async def _submit(self, messages: AsyncIterator[pb.SubmitVideoRequest], call: Call) -> Job:
        settings, submission = self.gateway.settings, self.gateway.submission
        arriving = enforce_min_rate(messages, settings.upload_min_rate, lambda m: len(m.chunk))
        first = await anext(arriving, None)
        if first is None or first.WhichOneof("part") != "options":
            raise InvalidRequest("the first message has the options, the others the video")
        request, trace = video_request(first.options), call.scope.traceparent
        if first.options.url:
            link = video_link(
                first.options.url,
                self.gateway.fetcher,
                live=first.options.live,
                allow_live=settings.source_enabled,
            )
            return (await submission.submit(link, request, call.principal, trace))[0]
        if first.options.live:
            raise InvalidRequest("live needs the URL of a source")
        name, max_bytes = first.options.name, settings.max_video_bytes
        async with spool_chunks(_chunks(arriving), name, max_bytes) as file:
            return (await submission.submit(file, request, call.principal, trace))[0]

    async def GetJob(self, request: pb.JobRequest, call: Call) -> pb.Job:  # noqa: N802
        return await self._with_result(await self.gateway.jobs.get(request.id, call.principal))

    async def _with_result(self, job: Job) -> pb.Job:
        """Returns the job with its result, if it has one."""
        message = job_message(job_document(job))
        data = await self.gateway.jobs.result(job)
        if data is None:
            return message
        if job.kind == IMAGE:
            message.image_result.CopyFrom(verdict_message(orjson.loads(data)))
        elif job.kind == LIVE:
            message.live_result.CopyFrom(live_message(from_json(LiveVerdict, data)))
        else:
            message.result.CopyFrom(video_message(from_json(VideoVerdict, data)))
        return message

    async def ListJobs(  # noqa: N802
        self, request: pb.ListJobsRequest, call: Call
    ) -> pb.ListJobsResponse:
        jobs, cursor = await self.gateway.jobs.list(
            call.principal,
            job_filter(request),
            limit=page_size(request),
            cursor=request.cursor or None,
        )
        messages = [job_message(job_document(job)) for job in jobs]
        return pb.ListJobsResponse(jobs=messages, next_cursor=cursor or "")

    async def ListWindows(  # noqa: N802
        self, request: pb.ListWindowsRequest, call: Call
    ) -> pb.ListWindowsResponse:
        windows = await self.gateway.jobs.windows(
            request.id, call.principal, request.after, page_size(request)
        )
        messages = [window_message(window, request.id) for window in windows]
        return pb.ListWindowsResponse(windows=messages)

    async def CancelJob(self, request: pb.JobRequest, call: Call) -> pb.Job:  # noqa: N802
        return job_message(job_document(await self.gateway.jobs.cancel(request.id, call.principal)))

    async def DeleteJob(  # noqa: N802
        self, request: pb.JobRequest, call: Call
    ) -> pb.DeleteJobResponse:
        cancelled = await self.gateway.jobs.cancel_or_delete(request.id, call.principal)
        if cancelled is None:
            return pb.DeleteJobResponse()
        return pb.DeleteJobResponse(cancelled=job_message(job_document(cancelled)))

    async def WatchJob(  # noqa: N802
        self, request: pb.JobRequest, call: Call
    ) -> AsyncIterator[pb.Job]:
        async for job in self.gateway.jobs.watch(request.id, call.principal):
            if job is not None and job.state in ENDED:
                yield await self._with_result(job)
            elif self.gateway.in_flight.closing.is_set():
                raise StreamStopped
            elif job is not None:
                yield job_message(job_document(job))

    async def SendFeedback(  # noqa: N802
        self, request: pb.FeedbackRequest, call: Call
    ) -> pb.Feedback:
        given = await self.gateway.feedback.give(feedback_request(request), call.principal)
        return feedback_message(given)

    async def DetectStream(  # noqa: N802
        self, messages: AsyncIterator[pb.StreamFrame], call: Call
    ) -> AsyncIterator[pb.StreamVerdict]:
        with ExitStack() as session:
            session.enter_context(self.gateway.track_stream(call.principal))
            async for verdict in detect_frames(self.gateway, messages, call, session.close):
                yield verdict


async def _chunks(messages: AsyncIterator[pb.SubmitVideoRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("part") != "chunk":
            raise InvalidRequest("the options come first and once; then the video in chunks")
        yield message.chunk


def _batch_result(result: bytes | Problem, item_id: str) -> pb.BatchResult:
    if isinstance(result, Problem):
        return pb.BatchResult(problem=problem_message(result, item_id))
    return pb.BatchResult(verdict=verdict_message(orjson.loads(result)))
