"""Statements of one file that do not fit together."""

from __future__ import annotations

from deepfake_serving.contracts.provenance import ContentCredentials, Contradiction
from deepfake_serving.provenance.metadata import Metadata

_GENERATED = {
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
}
"""IPTC's digital source types of images by generative models and other algorithms."""


def contradictions(
    credentials: ContentCredentials | None, metadata: Metadata
) -> list[Contradiction]:
    """Returns what contradicts what, in the order of `Contradiction`."""
    signed = {a.source_type for a in credentials.actions if a.source_type} if credentials else set()
    stated = signed | ({metadata.source_type} if metadata.source_type else set())
    found: list[Contradiction] = []
    if credentials is not None and credentials.state == "invalid":
        found.append("invalid_credentials")
    if signed and metadata.source_type and metadata.source_type not in signed:
        found.append("source_types_differ")
    if metadata.camera and stated & _GENERATED:
        found.append("camera_of_generated_image")
    return found
