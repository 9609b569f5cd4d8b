"""Requests for jobs: what clients choose, and the options that their jobs store."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from deepfake_serving.contracts.jobs import IMAGE, LIVE, VIDEO
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.upstream.relative_boxes import BoxUnit
from deepfake_serving.video.sampling import Sampling


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """A media file that the worker downloads, or a live source that it follows."""

    url: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class UploadedMedia:
    """A media file that was sent as a resumable upload, by its id."""

    upload: str


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A request to analyse a video or a live source. None stands for the server's setting."""

    sampling: str | None = None
    shots: bool = True
    aggregation: Aggregation | None = None
    model: str | None = None
    webhook: str | None = None
    idempotency_key: str | None = None
    explain: bool = False

    def kind(self, *, live: bool) -> str:
        """Returns the kind of the job."""
        return LIVE if live else VIDEO

    def options(self, settings: Settings, *, live: bool) -> dict[str, Any]:
        """Returns the options of the job, besides its model.

        Raises:
            InvalidRequest: the sampling can't be parsed.
        """
        if self.sampling:
            Sampling.parse(self.sampling)
        default = settings.source_sampling if live else settings.video_sampling
        return {
            "sampling": self.sampling or default,
            "shots": self.shots,
            "aggregation": self.aggregation or settings.video_aggregation,
            "explain": self.explain,
        }


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request to analyse an image later (`Prefer: respond-async`)."""

    model: str | None = None
    boxes: BoxUnit = "pixels"
    explain: bool = False
    provenance: bool = False
    webhook: str | None = None
    idempotency_key: str | None = None
    preview: bool = False

    def kind(self, *, live: bool) -> str:
        """Returns the kind of the job."""
        assert not live
        return IMAGE

    def options(self, _: Settings, *, live: bool) -> dict[str, Any]:
        """Returns the options of the job, besides its model."""
        assert not live
        names = ("boxes", "explain", "provenance", "preview")
        return {name: getattr(self, name) for name in names}


Request = VideoRequest | ImageRequest

_IN_EVERY_FINGERPRINT = {
    *("sampling", "shots", "aggregation", "model", "boxes"),
    *("explain", "provenance", "webhook", "idempotency_key"),
}
"""Options whose defaults are in the fingerprints that are stored already. Never add one."""


def chosen_options(request: Request) -> dict[str, Any]:
    """Returns the options that tell a request from others with the same idempotency key.

    One that a release adds is left out at its default: the requests of clients that don't know it
    stay the same.
    """
    values = {field.name: getattr(request, field.name) for field in fields(request)}
    defaults = {field.name: field.default for field in fields(request)}
    return {
        name: value
        for name, value in values.items()
        if name in _IN_EVERY_FINGERPRINT or value != defaults[name]
    }
