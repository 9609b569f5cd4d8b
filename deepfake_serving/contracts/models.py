"""Models as their server describes them: thresholds, and the card in short."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepfake_serving.contracts.verdict import Label, ModelRef


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of calibrated probabilities."""

    suspicious_from: float = 0.4
    fake_above: float = 0.6

    def label(self, probability: float | None) -> Label:
        """Labels a probability: real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake.

        None is labelled `no_face`.
        """
        if probability is None:
            return "no_face"
        if probability < self.suspicious_from:
            return "real"
        return "fake" if probability > self.fake_above else "suspicious"


USUAL_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The claims of a model, in short; the card at `url` has the figures.

    `detects` and `excludes` are kinds of manipulation: face_swap, generated_face, reenactment,
    lip_sync. In faces smaller than `min_face_px`, fakes are often missed.
    """

    url: str | None = None
    detects: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    min_face_px: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelCost:
    """The cost of a model in one worker: memory, and time for an image.

    `memory_bytes` is the resident memory of a worker, averaged over those that run. `image_ms` is
    the average time of an image in the worker. Both are measured; None before.
    """

    device: str
    workers: int
    memory_bytes: int | None = None
    image_ms: float | None = None


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """A member of an ensemble, and whether a pool serves it."""

    model: str
    weight: float
    served: bool


@dataclass(frozen=True, slots=True)
class ModelInfo(ModelRef):
    """A served model, or an ensemble of some. Earlier model servers have no more than `ModelRef`.

    `task` is detector, faces, classifier or ensemble; `max_pixels` the limit of an image.
    """

    thresholds: Thresholds | None = None
    card: ModelCard | None = None
    task: str | None = None
    cost: ModelCost | None = None
    members: list[MemberInfo] | None = None
    max_pixels: int | None = None
