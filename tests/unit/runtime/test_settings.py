"""Settings: their sources, precedence, and errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepfake_serving.model_server import __main__ as entry
from deepfake_serving.model_server.settings import (
    CONFIG_VARIABLE,
    ENV_PREFIX,
    Settings,
    SettingsError,
    load_settings,
)
from tests.support.paths import ROOT


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(variable)


class Place:
    """The sources of settings: variables and one file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self.file = folder / "settings.yaml"

    def env(self, **values: str) -> None:
        for name, value in values.items():
            self._monkeypatch.setenv(ENV_PREFIX + name.upper(), value)

    def variable(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(name, value)

    def yaml(self, content: bytes | dict[Any, Any]) -> None:
        raw = content if isinstance(content, bytes) else yaml.safe_dump(content).encode()
        self.file.write_bytes(raw)
        self._monkeypatch.setenv(CONFIG_VARIABLE, str(self.file))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    return Place(monkeypatch, tmp_path)


def complaint() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


# Sources ----------------------------------------------------------------------------------------


def test_every_setting_has_a_default_and_nothing_listens_beyond_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPFAKE_HOME", str(ROOT / "build"))
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.models == ("detector",)
    assert settings.archives == ROOT / "build" / "archives"
    assert settings == Settings.model_validate({})


def test_every_setting_has_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_every_setting_can_come_from_the_environment(place: Place) -> None:
    given = {
        "host": "::",
        "http_port": 1,
        "grpc_port": 2,
        "metrics_port": 3,
        "probe_port": 4,
        "grpc_connection_age_s": 13.5,
        "tls_certificate": Path("/tls/tls.crt"),
        "tls_key": Path("/tls/tls.key"),
        "tls_client_ca": Path("/tls/ca.crt"),
        "models": ("faces", "detector"),
        "archives": Path("/models"),
        "digests": {"faces": "sha256:00"},
        "device": "cuda",
        "precision": "bf16",
        "gpus": 0,
        "workers": 5,
        "threads": 6,
        "batch_size": 7,
        "batch_delay_ms": 0,
        "worker_max_growth_bytes": 2**30,
        "torchserve_sockets": "tcp",
        "max_body_bytes": 1024,
        "max_items": 8,
        "max_queue": 0,
        "request_timeout_s": 0.5,
        "start_timeout_s": 9.5,
        "recovery_timeout_s": 10.5,
        "drain_delay_s": 11.5,
        "drain_timeout_s": 12.5,
        "jvm_options": "-Xmx1g",
        "log_format": "json",
        "log_level": "debug",
    }
    assert set(given) == set(Settings.model_fields)
    place.env(
        **{name: str(value) for name, value in given.items()}
        | {"models": "faces, detector,", "digests": '{"faces": "sha256:00"}'}
    )
    assert load_settings().model_dump() == given


def test_every_setting_can_come_from_the_file(place: Place) -> None:
    place.yaml(
        {"http_port": 1, "models": ["faces", "detector"], "digests": {"faces": "sha256:00"}}
        | {"request_timeout_s": 5, "batch_delay_ms": None, "archives": "/models"}
    )
    settings = load_settings()
    assert settings.http_port == 1
    assert settings.models == ("faces", "detector")
    assert settings.digests == {"faces": "sha256:00"}
    assert settings.request_timeout_s == 5
    assert settings.archives == Path("/models")


def test_a_comma_separated_list_works_in_the_file(place: Place) -> None:
    place.yaml({"models": " faces ,detector"})
    assert load_settings().models == ("faces", "detector")


def test_arguments_override_the_environment_which_overrides_the_file(place: Place) -> None:
    place.yaml({"http_port": 1, "grpc_port": 1, "metrics_port": 1})
    place.env(grpc_port="2", metrics_port="2")
    settings = load_settings(metrics_port=3)
    assert (settings.http_port, settings.grpc_port, settings.metrics_port) == (1, 2, 3)


def test_the_settings_file_overrides_the_defaults_of_an_image(place: Place, tmp_path: Path) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("{host: '::', log_format: json, http_port: 1}")
    place.variable(ENV_PREFIX + "DEFAULTS", str(defaults))
    place.yaml({"log_format": "console", "http_port": 2})
    place.env(http_port="3")
    settings = load_settings()
    assert (settings.host, settings.log_format, settings.http_port) == ("::", "console", 3)


def test_an_invalid_default_of_an_image_is_named(place: Place, tmp_path: Path) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("{http_prot: 1}")
    place.variable(ENV_PREFIX + "DEFAULTS", str(defaults))
    assert complaint().startswith(f"http_prot (settings file {defaults}): ")


def test_digests_in_the_environment_replace_those_in_the_file(place: Place) -> None:
    place.yaml({"digests": {"faces": "sha256:00"}})
    place.env(digests='{"detector": "sha256:11"}')
    assert load_settings().digests == {"detector": "sha256:11"}


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"{}"])
def test_an_empty_file_sets_nothing(place: Place, content: bytes) -> None:
    place.yaml(content)
    assert load_settings() == Settings.model_validate({})


def test_an_empty_file_name_means_no_file(place: Place) -> None:
    place.variable(CONFIG_VARIABLE, "")
    load_settings()


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().workers = 3  # type: ignore[misc]


# Errors -----------------------------------------------------------------------------------------

WRONG = {
    "host": ("", "at least 1 character"),
    "http_port": ("65536", "less than or equal to 65535"),
    "grpc_port": ("-1", "greater than or equal to 0"),
    "metrics_port": ("x", "valid integer"),
    "models": (" , ", "at least one model"),
    "digests": ("sha256:00", "Expecting value"),
    "device": ("gpu", "'auto', 'cpu' or 'cuda'"),
    "precision": ("fp16", "'fp32' or 'bf16'"),
    "gpus": ("-1", "greater than or equal to 0"),
    "workers": ("65", "less than or equal to 64"),
    "threads": ("1.5", "valid integer"),
    "batch_size": ("1025", "less than or equal to 1024"),
    "batch_delay_ms": ("1001", "less than or equal to 1000"),
    "max_body_bytes": ("1023", "greater than or equal to 1024"),
    "max_items": ("0", "greater than or equal to 1"),
    "max_queue": ("-1", "greater than or equal to 0"),
    "request_timeout_s": ("0", "greater than 0"),
    "start_timeout_s": ("inf", "finite"),
    "recovery_timeout_s": ("nan", "finite"),
    "drain_delay_s": ("-0.1", "greater than or equal to 0"),
    "drain_timeout_s": ("86401", "less than or equal to 86400"),
    "torchserve_sockets": ("none", "'auto', 'unix' or 'tcp'"),
    "log_format": ("text", "'auto', 'json' or 'console'"),
    "log_level": ("INFO", "'debug', 'info', 'warning' or 'error'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_variable_is_refused_with_name_origin_and_reason(
    place: Place, name: str
) -> None:
    value, reason = WRONG[name]
    place.env(**{name: value})
    output = complaint()
    assert output.startswith(
        f"{name} (environment variable DEEPFAKE_MODEL_SERVER_{name.upper()}): "
    )
    assert reason in output
    assert "Value error" not in output


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_value_in_the_file_is_refused_with_name_origin_and_reason(
    place: Place, name: str
) -> None:
    value, reason = WRONG[name]
    place.yaml({name: value})
    output = complaint()
    assert output.startswith(f"{name} (settings file {place.file}): ")
    assert reason in output


def test_all_invalid_values_are_reported_at_once_with_their_origins(place: Place) -> None:
    place.yaml({"workers": -1, "typo": 1})
    place.env(http_port="x")
    first, second, third = sorted(complaint().split("; "))
    assert first.startswith("http_port (environment variable DEEPFAKE_MODEL_SERVER_HTTP_PORT): ")
    assert second == f"typo (settings file {place.file}): Extra inputs are not permitted"
    assert third.startswith(f"workers (settings file {place.file}): ")


def test_an_invalid_argument_is_reported_as_an_argument() -> None:
    with pytest.raises(SettingsError, match=r"^workers \(argument\): "):
        load_settings(workers=-1)


@pytest.mark.parametrize("value", ['{"detector": 5}', '["detector"]', "5"])
def test_digests_must_be_an_object_of_strings(place: Place, value: str) -> None:
    place.env(digests=value)
    assert "(environment variable DEEPFAKE_MODEL_SERVER_DIGESTS): " in complaint()


def test_a_model_named_twice_is_refused(place: Place) -> None:
    place.env(models="faces,faces")
    assert "none twice" in complaint()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"host: [1\n", id="malformed"),
        pytest.param(b"host: \xff\n", id="not UTF-8"),
        pytest.param(b"\x00", id="binary"),
        pytest.param(b"- host\n", id="a list"),
        pytest.param(b"host", id="a word"),
        pytest.param(b"1: 2\n", id="a number for a name"),
        pytest.param(b"host: !!python/object/apply:os.getcwd []\n", id="code"),
        pytest.param(b"host: 2020-13-45\n", id="a date of no calendar"),
        pytest.param(b"a: 1\n---\nb: 2\n", id="two documents"),
    ],
)
def test_an_unreadable_file_is_reported_by_name(place: Place, content: bytes) -> None:
    place.yaml(content)
    output = complaint()
    assert output.startswith(f"{CONFIG_VARIABLE}: {place.file} ")


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_an_invalid_file_is_reported_by_name(place: Place, kind: str, tmp_path: Path) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "absent.yaml"
    place.variable(CONFIG_VARIABLE, str(path))
    assert complaint().startswith(f"{CONFIG_VARIABLE}: {path} can't be read: ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEEPFAKE_MODEL_SERVER_HTPP_PORT", "80"),
        ("DEEPFAKE_MODEL_SERVER_WORKER", "1"),
        ("DEEPFAKE_MODEL_SERVER_", "1"),
        ("deepfake_model_server_workers", "1"),
        ("DEEPFAKE_MODEL_SERVER_Workers", "1"),
        ("DEEPFAKE_MODEL_SERVER_SERVICE_HOSTS", "1"),
        ("DEEPFAKE_MODEL_SERVER_PORT_TCP", "1"),
    ],
)
def test_an_unknown_variable_with_our_prefix_is_refused(
    place: Place, variable: str, value: str
) -> None:
    place.variable(variable, value)
    assert complaint() == f"{variable}: there is no such setting"


def test_other_variables_are_ignored(place: Place) -> None:
    place.variable("DEEPFAKES", "1")
    place.variable("MY_DEEPFAKE_MODEL_SERVER_WORKERS", "x")
    assert load_settings() == Settings.model_validate({})


def test_variables_that_kubernetes_sets_for_a_service_are_ignored(place: Place) -> None:
    """https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"""
    for variable, value in {
        "SERVICE_HOST": "10.0.0.11",
        "SERVICE_PORT": "8080",
        "SERVICE_PORT_HTTP": "8080",
        "PORT": "tcp://10.0.0.11:8080",
        "PORT_8080_TCP": "tcp://10.0.0.11:8080",
        "PORT_8080_TCP_PROTO": "tcp",
        "PORT_8080_TCP_PORT": "8080",
        "PORT_8080_TCP_ADDR": "10.0.0.11",
        "PORT_53_UDP": "udp://10.0.0.11:53",
    }.items():
        place.variable(f"DEEPFAKE_MODEL_SERVER_{variable}", value)
    assert load_settings() == Settings.model_validate({})


def test_the_server_reports_an_invalid_setting_in_one_line_and_exits_with_2(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.env(workers="many")
    assert entry.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "deepfake-serving: workers (environment variable DEEPFAKE_MODEL_SERVER_WORKERS): "
    )
