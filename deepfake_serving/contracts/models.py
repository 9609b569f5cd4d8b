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
class ModelInfo(ModelRef):
    """A served model. Model servers of earlier versions name neither thresholds nor a card."""

    thresholds: Thresholds | None = None
    card: ModelCard | None = None
