"""The warm-up check: only plausible results pass."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import orjson
import pytest

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.model_server.torchserve.warmup import (
    WARMUP_JPEG,
    WarmupCheckFailed,
    check_result,
)
from model_handlers.items import Options
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask, Task
from tests.support.served_models import served_model

FACE = [80.0, 60.0, 168.0, 172.0]
DETECTOR = {"fake_probability": 0.5, "faces": [{"box": FACE}]}
RESPONSES: dict[str, dict[str, Any]] = {
    "detector": DETECTOR,
    "faces": {"faces": [{"box": [0, 0, 20, 20]}, {"box": FACE}]},
    "classifier": {"fake_probability": 0.0},
}


def response_of(task: Task) -> dict[str, Any]:
    (outcome,) = task.run([WARMUP_JPEG], [Options()], Stopwatch())
    assert not isinstance(outcome, Problem)
    document = orjson.loads(orjson.dumps(dataclasses.asdict(outcome)))
    assert isinstance(document, dict)
    return document


def test_real_responses_pass(
    detector: DetectorTask, faces_task: FacesTask, classifier_task: ClassifierTask
) -> None:
    for task in (detector, faces_task, classifier_task):
        check_result(served_model(task.manifest.task), response_of(task))


@pytest.mark.parametrize("task", RESPONSES)
def test_a_correct_response_passes(task: str) -> None:
    check_result(served_model(task), RESPONSES[task])


@pytest.mark.parametrize("task", ["detector", "faces"])
@pytest.mark.parametrize(
    "faces",
    [
        [],
        [{"box": [300.0, 300.0, 400.0, 400.0]}],
        [{"box": [0.0, 0.0, 512.0, 512.0]}],
        [{"box": [168.0, 172.0, 80.0, 60.0]}],
        [{"box": [math.nan] * 4}],
        [{"box": [math.inf, math.inf, -math.inf, -math.inf]}],
        [{"box": [0.0, 0.0, 0.0, 0.0]}],
        [{"box": [80.0, 60.0]}],
        [{"box": None}],
        [{"box": ["80", "60", "168", "172"]}],
        [{}],
        [5],
        None,
    ],
)
def test_a_face_box_at_the_wrong_position_fails_the_check(task: str, faces: Any) -> None:
    with pytest.raises(WarmupCheckFailed, match=f"^{task}: "):
        check_result(served_model(task), {"fake_probability": 0.5, "faces": faces})


@pytest.mark.parametrize("task", ["detector", "classifier"])
@pytest.mark.parametrize(
    "probability", [None, math.nan, math.inf, -0.01, 1.01, "0.5", True, 1, [0.5]]
)
def test_a_warm_up_with_an_invalid_probability_fails(task: str, probability: Any) -> None:
    with pytest.raises(WarmupCheckFailed, match=f"^{task}: fake_probability is "):
        check_result(served_model(task), DETECTOR | {"fake_probability": probability})


@pytest.mark.parametrize("task", RESPONSES)
@pytest.mark.parametrize("response", [{}, [], None, "ok", {"results": [DETECTOR]}])
def test_a_response_of_another_kind_fails_the_check(task: str, response: Any) -> None:
    with pytest.raises(WarmupCheckFailed, match=f"^{task}: "):
        check_result(served_model(task), response)
