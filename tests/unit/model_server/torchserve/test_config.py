"""The start of TorchServe: its listeners, configuration and environment."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.model_server.models import Placement, ServedModel
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.torchserve import config as torchserve
from deepfake_serving.model_server.torchserve.config import Launch, prepare
from deepfake_serving.model_server.torchserve.tokens import KEY_FILE
from tests.support.paths import ROOT
from tests.support.served_models import DIGEST, served_model

PLACEMENT = Placement(gpus=2, workers=3, threads=5)
MODELS = (served_model("detector", workers=3, batch_size=8), served_model("faces", workers=3))


def launch(
    folder: Path, models: tuple[ServedModel, ...] = MODELS, **settings: Any
) -> tuple[Launch, dict[str, str]]:
    """Returns a launch and the properties that it wrote."""
    given = {"archives": Path("/models"), "torchserve_sockets": "unix"} | settings
    created = prepare(Settings(**given), PLACEMENT, {m.name: m for m in models}, folder)
    lines = (folder / "config.properties").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), "a property is set twice"
    return created, dict(pairs)


def addresses(properties: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if name.endswith("_address")}


# Listeners --------------------------------------------------------------------------------------


def test_torchserve_listens_only_on_sockets_in_its_folder_and_loopback(tmp_path: Path) -> None:
    created, properties = launch(tmp_path)
    assert addresses(properties) == {
        "inference_address": f"unix:{tmp_path}/inference.sock",
        "management_address": f"unix:{tmp_path}/management.sock",
        "metrics_address": f"unix:{tmp_path}/metrics.sock",
        "grpc_inference_address": "127.0.0.1",
        "grpc_management_address": "127.0.0.1",
    }
    assert created.inference == properties["inference_address"]
    assert created.management == properties["management_address"]


def test_without_unix_sockets_everything_listens_on_loopback(tmp_path: Path) -> None:
    created, properties = launch(tmp_path, torchserve_sockets="tcp")
    http = {n: v for n, v in addresses(properties).items() if not n.startswith("grpc_")}
    assert len(http) == 3
    ports = [value.removeprefix("http://127.0.0.1:") for value in http.values()]
    assert all(port.isdigit() for port in ports)
    assert len(set(ports)) == 3
    assert created.inference == properties["inference_address"]
    assert created.management == properties["management_address"]


@pytest.mark.parametrize(
    ("system", "machine", "unix"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("darwin", "x86_64", True),
        ("darwin", "arm64", False),
    ],
)
def test_unix_sockets_are_used_if_java_supports_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, unix: bool
) -> None:
    monkeypatch.setattr(torchserve.sys, "platform", system)
    monkeypatch.setattr(torchserve.platform, "machine", lambda: machine)
    created, _ = launch(tmp_path, torchserve_sockets="auto")
    assert created.inference.startswith("unix:") is unix


@pytest.mark.parametrize("sockets", ["unix", "tcp"])
def test_nothing_listens_on_all_interfaces(tmp_path: Path, sockets: str) -> None:
    created, properties = launch(tmp_path, torchserve_sockets=sockets, host="0.0.0.0")
    everything = [*created.command, *map("=".join, properties.items())]
    assert not [text for text in everything if "0.0.0.0" in text or "[::]" in text]


def test_ports_are_free_and_differ_between_starts(tmp_path: Path) -> None:
    names = ("grpc_inference_port", "grpc_management_port", "initial_worker_port")
    first, second = (launch(tmp_path)[1] for _ in range(2))
    ports = [int(properties[name]) for properties in (first, second) for name in names]
    assert all(port >= 1024 for port in ports)
    assert len({*ports[:3]}) == 3
    assert set(ports[:3]) != set(ports[3:])


# The folder --------------------------------------------------------------------------------------


def test_the_folder_is_private_whatever_its_mode_was(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    created, _ = launch(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert created.directory == tmp_path
    assert f"-Djava.io.tmpdir={tmp_path}" in created.command


def test_sockets_and_tokens_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    for name in ("inference.sock", "management.sock", ".ts.sock.9000", KEY_FILE):
        (tmp_path / name).write_bytes(b"")
    launch(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"config.properties", ".ts.sock.9000"}


def test_a_second_start_finds_no_files_of_the_first(tmp_path: Path) -> None:
    launch(tmp_path, archives=Path("/old"))
    _, properties = launch(tmp_path, archives=Path("/new"))
    assert properties["model_store"] == "/new"


# Configuration ----------------------------------------------------------------------------------


def test_java_is_started_directly_without_the_launcher(tmp_path: Path) -> None:
    created, _ = launch(tmp_path, jvm_options="-Xmx1g  -XX:+UseZGC")
    command = created.command
    assert Path(command[0]).name.startswith("java")
    assert os.access(command[0], os.X_OK)
    assert command[1:3] == ["-Xmx1g", "-XX:+UseZGC"]
    assert "org.pytorch.serve.ModelServer" in command
    assert command[command.index("--python") + 1] == sys.executable
    assert command[command.index("-f") + 1] == str(tmp_path / "config.properties")
    assert "-ncs" in command  # no snapshot, which would restore old models


def test_files_in_the_configuration_exist(tmp_path: Path) -> None:
    command = launch(tmp_path)[0].command
    (log4j,) = [c for c in command if c.startswith("-Dlog4j.configurationFile=file:///")]
    assert Path(log4j.split("file://")[1]).is_file()
    jars = Path(command[command.index("-cp") + 1])
    assert jars.name == "*"
    assert list(jars.parent.glob("*.jar"))


def test_models_are_loaded_only_from_archives_by_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    created, properties = launch(tmp_path, archives=Path("archives"))
    assert properties["model_store"] == str(tmp_path / "archives")
    assert created.command[created.command.index("-s") + 1] == str(tmp_path / "archives")


def test_limits_of_torchserve_exceed_ours(tmp_path: Path) -> None:
    _, properties = launch(
        tmp_path, max_body_bytes=2**20, request_timeout_s=7.5, start_timeout_s=100
    )
    assert int(properties["max_request_size"]) > 2**20
    assert 7.5 < int(properties["default_response_timeout"]) < 7.5 + 30, "a loop ends soon after"
    assert int(properties["default_startup_timeout"]) > 100
    in_flight = sum(model.max_in_flight for model in MODELS)
    assert int(properties["job_queue_size"]) >= 2 * in_flight
    assert properties["number_of_gpu"] == "2"


def test_the_largest_settings_fit_into_integers_of_java(tmp_path: Path) -> None:
    models = (served_model(workers=64, batch_size=1024),)
    _, properties = launch(
        tmp_path,
        models,
        max_body_bytes=2**30,
        request_timeout_s=3600,
        start_timeout_s=86_400,
    )
    numbers = [int(value) for value in properties.values() if value.isdigit()]
    assert max(numbers) < 2**31


def test_torchserve_reads_no_environment_and_installs_nothing(tmp_path: Path) -> None:
    _, properties = launch(tmp_path)
    assert properties["enable_envvars_config"] == "false"
    assert properties["install_py_dep_per_model"] == "false"
    assert properties["disable_system_metrics"] == "true"


# Environment ------------------------------------------------------------------------------------


def test_torchserve_gets_no_settings_of_ours_or_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "DEEPFAKE_MODEL_SERVER_HOST",
        "DEEPFAKE_WORKER_DEVICE",
        "TS_CONFIG_FILE",
        "TS_NUMBER_OF_GPU",
    ):
        monkeypatch.setenv(name, "127.9.9.9")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "127.9.9.9")
    environment = launch(tmp_path)[0].environment
    assert "127.9.9.9" not in environment.values()
    assert {name for name in environment if name.startswith(("DEEPFAKE_", "TS_"))} == {
        "DEEPFAKE_WORKER_THREADS",
        "DEEPFAKE_WORKER_DEVICE",
        "DEEPFAKE_WORKER_PRECISION",
        "DEEPFAKE_WORKER_DIGESTS",
    }
    assert environment["HTTPS_PROXY"] == "http://proxy"
    assert environment["PATH"] == os.environ["PATH"]


def test_workers_get_threads_device_precision_and_digests(tmp_path: Path) -> None:
    environment = launch(tmp_path, device="cuda", precision="bf16")[0].environment
    assert environment["OMP_NUM_THREADS"] == environment["DEEPFAKE_WORKER_THREADS"] == "5"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["DEEPFAKE_WORKER_DEVICE"] == "cuda"
    assert environment["DEEPFAKE_WORKER_PRECISION"] == "bf16"
    assert json.loads(environment["DEEPFAKE_WORKER_DIGESTS"]) == {
        "detector": DIGEST,
        "faces": DIGEST,
    }


@pytest.mark.parametrize(
    ("backend", "gpus", "stands_in"),
    [("auto", 0, True), ("openvino", 0, True), ("torch", 0, False), ("auto", 1, False)],
)
def test_workers_without_torch_get_the_stub(
    backend: str, gpus: int, stands_in: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    model = served_model("detector", backend=backend)
    placement = Placement(gpus=gpus, workers=1, threads=1)
    settings = Settings(archives=Path("/models"), torchserve_sockets="unix")
    environment = prepare(settings, placement, {"detector": model}, tmp_path).environment
    first, *rest = environment["PYTHONPATH"].split(os.pathsep)
    assert (rest == ["/theirs"] and (Path(first) / "torch.py").is_file()) is stands_in
    assert (first == "/theirs") is not stands_in


@pytest.mark.parametrize("gpus", [0, 1])
def test_the_code_of_a_checkout_does_not_replace_that_of_the_archive(
    gpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TorchServe adds the archive behind the folders of PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), "/theirs", ""]))
    placement = Placement(gpus=gpus, workers=1, threads=1)
    settings = Settings(archives=Path("/models"), torchserve_sockets="unix")
    models = {"detector": served_model("detector", backend="torch")}
    environment = prepare(settings, placement, models, tmp_path).environment
    assert environment["PYTHONPATH"] == "/theirs"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert "PYTHONPATH" not in prepare(settings, placement, models, tmp_path).environment


def test_the_torch_stub_has_everything_that_torchserve_uses(tmp_path: Path) -> None:
    """Imports the two files of TorchServe's workers that import torch."""
    environment = os.environ | {"PYTHONPATH": torchserve._without_torch(tmp_path)}
    program = (
        "import torch; assert torch.__file__.endswith('/without_torch/torch.py'); "
        "import ts.protocol.otf_message_handler, ts.handler_utils.timer; "
        "assert not torch.cuda.is_available(); assert not isinstance(b'', torch.Tensor)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60)


def test_without_overrides_the_manifest_applies(tmp_path: Path) -> None:
    environment = launch(tmp_path)[0].environment
    assert environment["DEEPFAKE_WORKER_DEVICE"] == ""
    assert environment["DEEPFAKE_WORKER_PRECISION"] == ""
