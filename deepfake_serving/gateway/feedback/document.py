"""The document of feedback, as clients get it."""

from __future__ import annotations

from datetime import UTC, datetime

from deepfake_serving.gateway.documents import FeedbackDocument
from deepfake_serving.gateway.feedback.records import Feedback


def feedback_document(feedback: Feedback) -> FeedbackDocument:
    """Builds the document, with the time as RFC 3339 and without keys of the object store."""
    created_at = datetime.fromtimestamp(feedback.created_at, UTC)
    return FeedbackDocument(
        id=feedback.id,
        kind=feedback.kind,
        label=feedback.label,
        created_at=created_at.isoformat(timespec="milliseconds"),
        key=feedback.key,
        owner=feedback.owner,
        note=feedback.note,
        face=feedback.face,
        track=feedback.track,
        box=feedback.box,
        name=feedback.name,
        digest=feedback.digest,
        verdict=feedback.verdict,
        fake_probability=feedback.fake_probability,
        model=feedback.model,
        model_digest=feedback.model_digest,
        media=feedback.object is not None,
    )
