"""docker/compose.yaml: known and valid settings, hardened services, a Prometheus that works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from deepfake_serving.gateway import settings as gateway_settings
from deepfake_serving.model_server import settings as model_server_settings
from scripts.dashboards import PAGES
from tests.support.paths import ROOT

COMPOSE = ROOT / "docker" / "compose.yaml"
PROMETHEUS = ROOT / "docker" / "compose" / "prometheus"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
LOADERS: dict[str, Callable[[], Any]] = {
    "model-server": model_server_settings.load_settings,
    "gateway": gateway_settings.load_settings,
    "worker": gateway_settings.load_settings,
}
METRICS = {
    "model-server": "metrics_port",
    "gateway": "metrics_port",
    "worker": "worker_metrics_port",
}
_REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def _filled(value: object) -> str:
    """Returns the text as Compose interpolates it; required variables are `given`."""
    return _REFERENCE.sub(
        lambda found: found["rest"] if found["kind"] == "-" else "given", str(value)
    )


def _environment(service: str) -> dict[str, str]:
    return {
        name: _filled(value) for name, value in SERVICES[service].get("environment", {}).items()
    }


@pytest.fixture(params=sorted(LOADERS))
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns a service of ours, with its environment set."""
    for variable in os.environ:
        if variable.upper().startswith("DEEPFAKE_"):
            monkeypatch.delenv(variable)
    name = str(request.param)
    for variable, value in _environment(name).items():
        monkeypatch.setenv(variable, value)
    return name


def test_settings_in_compose_are_known_and_valid(service: str) -> None:
    assert any(name.startswith("DEEPFAKE_") for name in _environment(service))
    LOADERS[service]()


def test_a_misspelled_setting_is_detected(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "DEEPFAKE_MODEL_SERVER_" if service == "model-server" else "DEEPFAKE_GATEWAY_"
    monkeypatch.setenv(f"{prefix}LOG_LEVLE", "info")
    with pytest.raises(ValueError, match="no such setting"):
        LOADERS[service]()


@pytest.mark.parametrize("service", ["gateway", "worker"], indirect=True)
def test_a_service_shares_a_network_with_those_it_calls(service: str) -> None:
    settings = LOADERS[service]()
    urls = [pool.url for pool in settings.routing.pools] + [settings.jobs]
    urls.append(_environment(service)["AWS_ENDPOINT_URL"])
    for url in urls:
        host = str(urlsplit(url).hostname)
        assert _connected(service, host), f"{service} and {host} share no network"


def test_prometheus_scrapes_each_process_at_its_port(service: str) -> None:
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    targets = {
        target: static["labels"]["app_kubernetes_io_component"]
        for job in jobs
        for static in job["static_configs"]
        for target in static["targets"]
    }
    port = getattr(LOADERS[service](), METRICS[service])
    assert targets[f"{service}:{port}"] == service
    assert _connected(service, "prometheus")


def _connected(one: str, other: str) -> bool:
    return bool(set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"]))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert service["healthcheck"]["test"][0] == "CMD", "an image may have no shell"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    scratch = [*service.get("tmpfs", []), *service.get("volumes", [])]
    assert any(re.search(r"(^|:)/tmp(:|$)", each) for each in scratch)
    for tmpfs in service.get("tmpfs", []):
        assert "size=" in tmpfs, "memory without a limit"


def test_grafana_contacts_nobody() -> None:
    """It is on a network with Internet access, to be published."""
    settings = _environment("grafana")
    off = (
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
    )
    assert {name: settings.get(name) for name in off} == dict.fromkeys(off, "false")
    assert settings["GF_SECURITY_DISABLE_GRAVATAR"] == "true"
    assert settings["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_has_a_version(name: str) -> None:
    tag = _filled(SERVICES[name]["image"]).rpartition("/")[2].partition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?", tag), tag


def test_our_images_have_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    for name in LOADERS:
        assert _filled(SERVICES[name]["image"]).endswith(f":{version[1]}")


def test_only_loopback_is_published_and_stores_are_isolated() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    networks = yaml.safe_load(COMPOSE.read_text())["networks"]
    for name in ("model-server", "redis", "objects", "prometheus"):
        assert all(networks[network].get("internal") for network in SERVICES[name]["networks"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_mounted_files_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert (COMPOSE.parent / source).is_dir(), source
            assert rest.endswith(":ro")


def test_init_generates_a_key_that_the_gateway_accepts(tmp_path: Path) -> None:
    from deepfake_serving.gateway.auth.keys import Keys

    folder = tmp_path / "compose"
    folder.mkdir()
    shutil.copy(COMPOSE.parent / "compose" / "init.sh", folder)
    output = subprocess.run([folder / "init.sh"], capture_output=True, text=True, check=True).stdout
    keys = Keys(folder / "secrets" / "keys.yaml")
    entry = keys.find(output.split()[-1])
    assert (entry.id, entry.scopes) == ("admin", {"admin"})
    needed = [found for found in _REFERENCE.finditer(COMPOSE.read_text()) if found["kind"] == "?"]
    created = {line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines()}
    assert created == {found["name"] for found in needed}
    assert (folder / "secrets").stat().st_mode & 0o077 == 0
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    again = subprocess.run([folder / "init.sh"], capture_output=True, check=False)
    assert again.returncode == 1


def test_init_without_openssl_changes_nothing(tmp_path: Path) -> None:
    """Else it wrote empty passwords, which Compose and a second run refuse."""
    folder = tmp_path / "compose"
    folder.mkdir()
    shutil.copy(COMPOSE.parent / "compose" / "init.sh", folder)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "tr", "cut", "mkdir", "chmod"):
        (programs / name).symlink_to(str(shutil.which(name)))
    init = [programs / "sh", folder / "init.sh"]
    completed = subprocess.run(
        init, env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 1
    assert "openssl is needed" in completed.stderr
    assert not (folder / "secrets").exists()
    assert not (tmp_path / ".env").exists()


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and os.environ.get("REQUIRE_CHART_TOOLS") != "1":
        pytest.skip("no promtool here")
    assert found, "REQUIRE_CHART_TOOLS is set, but promtool is not on PATH"
    return found


def test_promtool_accepts_the_configuration(promtool: str) -> None:
    subprocess.run([promtool, "check", "config", PROMETHEUS / "prometheus.yml"], check=True)


WORKING = {
    'up{job="gateway"}': "1x30",
    'deepfake_ready{app_kubernetes_io_component="model-server", pod="model-server"}': "1x30",
    'deepfake_results_total{app_kubernetes_io_component="gateway", code="200"}': "0+100x30",
    'deepfake_results_total{app_kubernetes_io_component="gateway", code="502"}': "0+0x30",
    'deepfake_job_queue_age_seconds{app_kubernetes_io_component="gateway"}': "5x30",
}
BROKEN = {
    "DeepfakeDown": {'up{job="gateway"}': "0x30"},
    "DeepfakeNotReady": {
        'deepfake_ready{app_kubernetes_io_component="model-server", pod="model-server"}': "0x30"
    },
    "DeepfakeErrors": {
        'deepfake_results_total{app_kubernetes_io_component="gateway", code="502"}': "0+5x30"
    },
    "DeepfakeJobsWait": {
        'deepfake_job_queue_age_seconds{app_kubernetes_io_component="gateway"}': "700x30"
    },
}


@pytest.mark.parametrize("broken", [None, *sorted(BROKEN)])
def test_each_alert_fires_only_for_its_own_failure(
    promtool: str, tmp_path: Path, broken: str | None
) -> None:
    series = WORKING | BROKEN.get(broken or "", {})
    labels = "ALERTS{alertstate='firing'}"
    reported = [{"labels": f'{{alertname="{broken}"}}', "value": 1}] if broken else []
    question = {
        "expr": f"count by (alertname) ({labels})",
        "eval_time": "15m",
        "exp_samples": reported,
    }
    test = {
        "rule_files": [str(PROMETHEUS / "rules.yml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [question],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    completed = subprocess.run(
        [promtool, "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_the_recorded_series_of_the_dashboards_are_there() -> None:
    groups = yaml.safe_load((PROMETHEUS / "recording-rules.yml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    shown = {name for page in PAGES.values() for name in re.findall(r"deepfake:[\w:]+", page())}
    assert shown
    assert shown <= recorded


def test_every_alert_is_tested() -> None:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    assert {rule["alert"] for group in groups for rule in group["rules"]} == set(BROKEN)


def test_redis_refuses_jobs_before_its_memory_is_full() -> None:
    """Else the kernel kills it, again and again as it reads what fills it."""
    redis = SERVICES["redis"]
    command = redis["command"]
    (most,) = re.findall(r"^(\d+)mb$", command[command.index("--maxmemory") + 1])
    (limit,) = re.findall(r"^(\d+)m$", redis["deploy"]["resources"]["limits"]["memory"])
    assert int(most) <= 0.75 * int(limit)
