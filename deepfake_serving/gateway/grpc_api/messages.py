"""Jobs, their results and windows of live sources as protobuf messages of `deepfake.v1`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.live import LiveVerdict, Window, WindowRef
from deepfake_serving.contracts.messages import (
    box_message,
    by_model,
    label_message,
    problem_message,
)
from deepfake_serving.contracts.problems import from_dict
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import KeyframeHeatmap, Shot, Track, VideoVerdict
from deepfake_serving.gateway.documents import (
    JobDocument,
    SourceDocument,
    SummaryDocument,
    WebhookDocument,
)


def job_message(job: JobDocument) -> pb.Job:
    """Converts a job."""
    result = job.result
    message = pb.Job(
        id=job.id,
        kind=job.kind,
        state=pb.JobState.Value(f"JOB_STATE_{job.state.upper()}"),
        created_at=_timestamp(job.created_at),
        started_at=_timestamp(job.started_at),
        finished_at=_timestamp(job.finished_at),
        attempt=job.attempt,
        progress=_progress(job.progress),
        cached=job.cached,
        result=video_message(result) if isinstance(result, VideoVerdict) else None,
        webhook=None if job.webhook is None else _delivery(job.webhook),
        summary=None if job.summary is None else _summary(job.summary),
        source=_source(job.source),
    )
    message.options.update(job.options)
    if job.problem is not None:
        message.problem.CopyFrom(problem_message(from_dict(asdict(job.problem)), job.id))
    return message


def _progress(progress: Progress) -> pb.Progress:
    message = pb.Progress(
        stage=progress.stage,
        frames=progress.frames,
        percent=progress.percent,
        eta_s=progress.eta_s,
        windows=progress.windows,
        seconds=progress.seconds,
    )
    if progress.verdict is not None:
        message.verdict = label_message(progress.verdict)
    return message


def _delivery(webhook: WebhookDocument) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        state=webhook.state,
        attempts=webhook.attempts,
        last_attempt_at=_timestamp(webhook.last_attempt_at),
    )


def _summary(summary: SummaryDocument) -> pb.Summary:
    return pb.Summary(
        verdict=label_message(summary.verdict), fake_probability=summary.fake_probability
    )


def _source(source: SourceDocument) -> pb.Source:
    return pb.Source(
        name=source.name,
        url=source.url or "",
        bytes=source.bytes or 0,
        digest=source.digest or "",
    )


def video_message(verdict: VideoVerdict) -> pb.VideoVerdict:
    """Converts a video's verdict."""
    return pb.VideoVerdict(
        verdict=label_message(verdict.verdict),
        fake_probability=verdict.fake_probability,
        uncertainty=verdict.uncertainty,
        aggregation=verdict.aggregation,
        shots=[shot_message(shot) for shot in verdict.shots],
        frames_analyzed=verdict.frames_analyzed,
        frames_with_face=verdict.frames_with_face,
        fake_frame_ratio=verdict.fake_frame_ratio,
        duration_s=verdict.duration_s,
        frame_rate=verdict.frame_rate,
        width=verdict.width,
        height=verdict.height,
        complete=verdict.complete,
        warnings=verdict.warnings,
        model=model_message(verdict.model),
    )


def model_message(model: ModelRef) -> pb.Model:
    """Converts the reference to a model."""
    return pb.Model(
        name=model.name,
        version=model.version,
        digest=model.digest or "",
        trained=model.trained,
    )


def shot_message(shot: Shot) -> pb.Shot:
    """Converts a shot of a video or of a window."""
    return pb.Shot(
        start_s=shot.start_s,
        end_s=shot.end_s,
        verdict=label_message(shot.verdict),
        fake_probability=shot.fake_probability,
        tracks=[_track(track) for track in shot.tracks],
    )


def _track(track: Track) -> pb.Track:
    return pb.Track(
        id=track.id,
        verdict=label_message(track.verdict),
        fake_probability=track.fake_probability,
        spread=track.spread,
        frames=[
            pb.TrackFrame(
                t_s=frame.t_s,
                box=box_message(frame.box),
                fake_probability=frame.fake_probability,
            )
            for frame in track.frames
        ],
        models=by_model(track.models, "fake_probability"),
        unavailable=by_model(track.models, "unavailable"),
        heatmaps={model: _heatmap(heatmap) for model, heatmap in track.heatmaps.items()},
        person=track.person,
    )


def _heatmap(heatmap: KeyframeHeatmap) -> pb.KeyframeHeatmap:
    return pb.KeyframeHeatmap(
        rows=[pb.HeatmapRow(values=row) for row in heatmap.grid],
        offset=heatmap.offset,
        scale=heatmap.scale,
        image=heatmap.image or "",
        overlay=heatmap.overlay or "",
        method=heatmap.method,
    )


def window_message(window: Window, job_id: str) -> pb.Window:
    """Converts a window."""
    message = pb.Window(
        number=window.number,
        start_s=window.start_s,
        end_s=window.end_s,
        fake_probability=window.fake_probability,
        smoothed=window.smoothed,
        frames_analyzed=window.frames_analyzed,
        frames_with_face=window.frames_with_face,
        shots=[shot_message(shot) for shot in window.shots],
        gap=window.gap or "",
        warnings=window.warnings,
    )
    if window.verdict is not None:
        message.verdict = label_message(window.verdict)
    if window.problem is not None:
        message.problem.CopyFrom(problem_message(from_dict(window.problem), job_id))
    return message


def live_message(verdict: LiveVerdict) -> pb.LiveVerdict:
    """Converts the summary of a source."""
    return pb.LiveVerdict(
        verdict=label_message(verdict.verdict),
        fake_probability=verdict.fake_probability,
        smoothed=verdict.smoothed,
        windows=verdict.windows,
        verdicts=verdict.verdicts,
        problems=verdict.problems,
        gaps=verdict.gaps,
        worst=[_reference(window) for window in verdict.worst],
        frames_analyzed=verdict.frames_analyzed,
        frames_with_face=verdict.frames_with_face,
        duration_s=verdict.duration_s,
        judged_s=verdict.judged_s,
        model=None if verdict.model is None else model_message(verdict.model),
        ended=verdict.ended or "",
        warnings=verdict.warnings,
    )


def _reference(window: WindowRef) -> pb.WindowRef:
    return pb.WindowRef(
        number=window.number,
        start_s=window.start_s,
        end_s=window.end_s,
        verdict=label_message(window.verdict),
        fake_probability=window.fake_probability,
    )


def _timestamp(time: str | None) -> float:
    """Converts RFC 3339 to seconds since the epoch; 0 where there is no time."""
    return datetime.fromisoformat(time).timestamp() if time else 0.0
