"""Options reach Locust unchanged; contradictory ones are refused before."""

from __future__ import annotations

import subprocess
import sys

import configargparse
import pytest
import yaml

from loadtest import options
from loadtest.__main__ import command, parser
from loadtest.kinds import KINDS
from tests.support.paths import ROOT

URL = ["--url", "http://127.0.0.1:8000/"]


def received_by_locust(*given: str) -> configargparse.Namespace:
    """Returns the options as Locust's parser reads them."""
    chosen, rest = parser().parse_known_args([*given, *URL])
    locust_parser = configargparse.ArgumentParser()
    options.add(locust_parser)
    return locust_parser.parse_known_args(command(chosen, rest))[0]


def test_the_defaults_are_valid():
    options.validate(received_by_locust("live"))


def test_given_options_are_applied():
    chosen = received_by_locust(
        *("image-rest", "--shape", "ramp", "--peak", "8", "--base", "2", "--duration", "30"),
        *("--max-failure-ratio", "0.1", "--max-p95-ms", "250", "--allow-refused"),
    )
    assert options.plan(chosen).users(15.0) == 8
    gates = options.gates(chosen)
    assert (gates.max_failure_ratio, gates.max_p95_ms, gates.min_requests) == (0.1, 250, 1)
    assert chosen.allow_refused


def test_the_command_line_overrides_the_environment_even_with_zero(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("DFK_PAUSE", "3")
    monkeypatch.setenv("DFK_PEAK", "7")
    chosen = received_by_locust("live", "--pause", "0")
    assert (chosen.pause, chosen.peak) == (0, 7)


def test_locusts_own_options_and_the_users_classes_are_passed_on():
    chosen, rest = parser().parse_known_args(["video", "batch", "video", "--processes=4", *URL])
    words = command(chosen, rest)
    assert "--processes=4" in words
    assert words[-2:] == ["VideoJob", "Batch"]
    assert words[words.index("--host") + 1] == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--peak=0"],
        ["--shape=spike", "--peak=1"],
        ["--duration=-1"],
        ["--batch=0"],
        ["--live-fps=0"],
        ["--timeout=nan"],
        ["--pause=-1"],
        ["--max-failure-ratio=1.5"],
        ["--min-requests=0"],
    ],
)
def test_invalid_combinations_are_refused(wrong: list[str]):
    with pytest.raises(ValueError):
        options.validate(received_by_locust("live", *wrong))


def test_every_name_is_a_user_that_locust_finds():
    """Runs in a separate process, which Locust may patch."""
    code = (
        "from loadtest import locustfile\n"
        f"for name in {list(KINDS.values())}: print(*getattr(locustfile, name).measure)\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stderr
    assert len(set(completed.stdout.splitlines())) == len(KINDS)


def test_shapes_gates_and_checks_are_read_without_patching_the_process():
    names = "shapes", "gates", "checks", "frames", "media", "options", "report", "__main__"
    code = (
        f"import sys, {', '.join(f'loadtest.{n}' for n in names)}; print('gevent' in sys.modules)"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert completed.stdout == "False\n", completed.stderr


def test_the_options_of_the_kubernetes_job_are_valid(monkeypatch: pytest.MonkeyPatch):
    job = yaml.safe_load((ROOT / "k8s" / "load" / "job.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "a key"))
    chosen, rest = parser().parse_known_args(container["args"])
    options.validate(chosen)
    assert rest == []
    assert chosen.url == "http://deepfake-serving-gateway"
    assert chosen.grpc == "deepfake-serving-gateway:8001"
