"""Triton's extensions: the repository index, the configuration and the statistics of models."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import ParseDict

from deepfake_serving.contracts.problems import Problem, UndecodableMedia, UnknownModel
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction import oip_extensions
from deepfake_serving.model_server.prediction.statistics import ModelStatistics
from tests.support.served_models import served_model
from tests.unit.model_server.prediction.test_predictor import predictor_of

BATCH = {"items": 2, "stages": {"decode": 0.25, "detect": 0.5, "classify": 0.125}}
MODELS = [served_model("detector", version="2.7"), served_model("faces")]


def test_the_index_has_integer_versions_and_states() -> None:
    predictor = predictor_of(MODELS)
    predictor.state.models["detector"].workers_ready = 1
    predictor.state.models["detector"].warm = True
    ready = {"name": "detector", "version": "2", "state": "READY", "reason": ""}
    assert oip_extensions.repository_index(predictor, ready_only=True) == [ready]
    index = oip_extensions.repository_index(predictor, ready_only=False)
    assert [entry["state"] for entry in index] == ["READY", "UNAVAILABLE"]
    assert index[1]["reason"]


@pytest.mark.parametrize("version", ["", "2", "2.7"])
def test_a_version_may_be_its_integer_part(version: str) -> None:
    assert predictor_of(MODELS).model("detector", version) is MODELS[0]


@pytest.mark.parametrize("version", ["1", "2.", "2.8", "02"])
def test_other_versions_are_unknown(version: str) -> None:
    with pytest.raises(UnknownModel):
        predictor_of(MODELS).model("detector", version)


@pytest.mark.parametrize("model", [*MODELS, served_model("classifier")], ids=lambda m: m.name)
def test_the_configuration_has_the_tensors_of_the_metadata(model: ServedModel) -> None:
    config = oip_extensions.model_config(model)
    message = ParseDict(config, pb.ModelConfig())
    assert message.name == model.name
    assert list(message.input[0].dims) == [-1]
    assert message.output[-1].name == "result"
    assert message.instance_group[0].count == model.workers
    assert message.parameters["batch_size"].string_value == str(model.batch_size)


def test_statistics_count_requests_and_batches() -> None:
    statistics = ModelStatistics()
    with statistics.request(3):
        statistics.queue.add(0.001)
    with pytest.raises(Problem), statistics.request(1):
        raise UndecodableMedia("broken")
    statistics.observe_batch(BATCH)
    statistics.observe_batch({"items": 0, "stages": {}})
    document = statistics.document("detector", "2")
    assert document["inference_count"] == 3
    assert document["execution_count"] == 1
    parts = document["inference_stats"]
    assert [parts[name]["count"] for name in ("success", "fail", "queue")] == [1, 1, 1]
    assert parts["compute_input"] == {"count": 1, "ns": 250_000_000}
    assert parts["compute_infer"] == {"count": 1, "ns": 625_000_000}
    assert [batch["batch_size"] for batch in document["batch_stats"]] == [2]
    message = ParseDict({"model_stats": [document]}, pb.ModelStatisticsResponse())
    assert message.model_stats[0].inference_stats.success.count == 1


def test_statistics_are_of_one_model_or_of_all() -> None:
    predictor = predictor_of(MODELS)
    names = [s["name"] for s in oip_extensions.statistics(predictor)["model_stats"]]
    assert names == ["detector", "faces"]
    (one,) = oip_extensions.statistics(predictor, "detector", "2")["model_stats"]
    assert (one["name"], one["version"]) == ("detector", "2")
    with pytest.raises(UnknownModel):
        oip_extensions.statistics(predictor, "nobody")
