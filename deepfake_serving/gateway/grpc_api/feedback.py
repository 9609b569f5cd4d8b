"""Feedback over gRPC: its messages, and the checks that REST's schema does."""

from __future__ import annotations

from deepfake_serving.contracts.messages import label_message
from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.gateway.feedback.records import Feedback, Truth
from deepfake_serving.gateway.feedback.service import MAX_NOTE, FeedbackRequest

_LABELS: dict[int, Truth] = {pb.VERDICT_REAL: "real", pb.VERDICT_FAKE: "fake"}


def feedback_request(message: pb.FeedbackRequest) -> FeedbackRequest:
    """Converts and checks a request.

    Raises:
        InvalidRequest
    """
    label = _LABELS.get(message.label)
    if label is None:
        raise InvalidRequest("label: VERDICT_REAL or VERDICT_FAKE is expected")
    if len(message.note) > MAX_NOTE:
        raise InvalidRequest(f"note: at most {MAX_NOTE} characters are expected")
    face = message.face if message.HasField("face") else None
    return FeedbackRequest(message.id, label, face, message.track or None, message.note or None)


def feedback_message(feedback: Feedback) -> pb.Feedback:
    """Converts stored feedback."""
    message = pb.Feedback(
        id=feedback.id,
        label=label_message(feedback.label),
        created_at=feedback.created_at,
        fake_probability=feedback.fake_probability,
        media=feedback.object is not None,
    )
    if feedback.verdict is not None:
        message.verdict = label_message(feedback.verdict)
    return message
