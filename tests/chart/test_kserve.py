"""KServe's objects against the schemas of its custom resources, and against the model server."""

from __future__ import annotations

import pytest
import yaml

from deepfake_serving.model_server.settings import Settings
from deepfake_serving.runtime.version import VERSION
from tests.chart.custom_resources import errors
from tests.chart.helm import Object
from tests.support.paths import ROOT

FOLDER = ROOT / "k8s" / "kserve"
FILES = ("clusterservingruntime.yaml", "inferenceservice.yaml", "stored-model.yaml")


def read(name: str) -> Object:
    document: Object = yaml.safe_load((FOLDER / name).read_text())
    return document


def container() -> Object:
    (found,) = read("clusterservingruntime.yaml")["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", FILES)
def test_an_object_is_valid_by_kserves_schema(name: str) -> None:
    assert errors(read(name)) == []


def test_an_unknown_field_is_an_error() -> None:
    document = read("inferenceservice.yaml")
    document["spec"]["predictor"]["minReplica"] = 1
    assert any("minReplica" in error for error in errors(document))


@pytest.mark.parametrize("name", FILES[1:])
def test_services_use_the_runtime(name: str) -> None:
    runtime = read("clusterservingruntime.yaml")
    model = read(name)["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    formats = [each["name"] for each in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]


@pytest.mark.parametrize("name", FILES)
def test_variables_are_settings_of_the_model_server(name: str) -> None:
    spec = read(name)["spec"]
    env = container()["env"] if "containers" in spec else spec["predictor"]["model"].get("env", [])
    prefix = Settings.model_config["env_prefix"]
    for variable in env:
        assert variable["name"].removeprefix(prefix).lower() in Settings.model_fields, variable


def test_clients_find_the_model_by_the_name_of_the_service() -> None:
    env = {each["name"]: each["value"] for each in container()["env"]}
    assert env["DEEPFAKE_MODEL_SERVER_MODELS"] == read("inferenceservice.yaml")["metadata"]["name"]


def test_the_image_is_that_of_this_version() -> None:
    assert container()["image"].endswith(f"/model-server:{VERSION}")


def test_kustomize_applies_the_runtime_and_the_bundled_detector() -> None:
    assert read("kustomization.yaml")["resources"] == list(FILES[:2])
