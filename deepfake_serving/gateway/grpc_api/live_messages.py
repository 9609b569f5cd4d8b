"""Windows of live sources and their summary, as protobuf messages of `deepfake.v1`."""

from __future__ import annotations

from deepfake_serving.contracts.live import LiveVerdict, Window, WindowRef
from deepfake_serving.contracts.messages import label_message, problem_message
from deepfake_serving.contracts.problems import from_dict
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.gateway.grpc_api.messages import model_message, shot_message


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
