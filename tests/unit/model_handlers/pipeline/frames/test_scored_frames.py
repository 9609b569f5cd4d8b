"""The detector over frames: the network scores a part of them, unless heatmaps are requested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from model_handlers.items import Options
from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask
from tests.support.videos import pan


class CountingNetwork:
    """Counts the crops that the network gets."""

    def __init__(self, network: Any) -> None:
        self._network, self.crops = network, 0

    def __call__(self, crops: Pixels) -> Any:
        self.crops += len(crops)
        return self._network(crops)


@pytest.fixture
def network(detector: DetectorTask, monkeypatch: pytest.MonkeyPatch) -> CountingNetwork:
    """Counts, and has every score clear, whatever the weights are."""
    counting = CountingNetwork(detector.classifier.network)
    monkeypatch.setattr(detector.classifier, "network", counting)
    clear = detector.manifest.model_copy(
        update={"thresholds": ThresholdsSpec(suspicious_from=1, fake_above=1)}
    )
    monkeypatch.setattr(detector, "manifest", clear)
    return counting


def probabilities(detector: DetectorTask, frames: Sequence[Pixels], option: Options) -> list[float]:
    outcomes: Any = detector.run(frames, [option] * len(frames), Stopwatch())
    return [face.fake_probability for outcome in outcomes for face in outcome.faces]


def test_frames_of_a_video_are_scored_in_part_and_all_have_a_probability(
    detector: DetectorTask, network: CountingNetwork, astronaut: Pixels
) -> None:
    frames = pan(astronaut, 8)
    each = probabilities(detector, frames, Options())
    assert network.crops == 8
    network.crops = 0
    steady = probabilities(detector, frames, Options(follow=True))
    assert 3 <= network.crops < 8
    assert steady == pytest.approx(each, abs=0.1)


def test_every_frame_with_a_heatmap_is_scored(
    detector: DetectorTask, network: CountingNetwork, astronaut: Pixels
) -> None:
    probabilities(detector, pan(astronaut, 8), Options(follow=True, explain=True))
    assert network.crops == 8
