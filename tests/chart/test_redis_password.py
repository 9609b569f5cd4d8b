"""The Redis of the chart and of Compose, started as they say.

The password is in no argument, and opens the job store only.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.chart.helm import only, render
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.redis_server import client_rights, redis_program

PASSWORD = "a b\"c\\d'é#$HOME"  # noqa: S105


def _of_chart() -> list[str]:
    container = only(render(), "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]
    return [*container["command"], *container["args"]]


def _of_compose() -> list[str]:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    return [each.replace("$$", "$") for each in compose["services"]["redis"]["command"]]


@pytest.mark.parametrize("command", [_of_chart, _of_compose])
def test_the_password_works_and_is_in_no_argument(
    command: Callable[[], list[str]], tmp_path: Path
) -> None:
    port, program = free_port(), redis_program()
    here = {"redis-server": program, "valkey-server": program, "/data": str(tmp_path)}
    process = subprocess.Popen(
        [*(here.get(each, each) for each in command()), "--port", str(port)],
        env={"PATH": "/usr/bin:/bin", "REDISCLI_AUTH": PASSWORD},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    again = Retry(ConstantBackoff(0.1), 100)
    try:
        with redis.Redis(port=port, password=PASSWORD, retry=again) as client:
            assert client.set("{deepfake}:a", "b")
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.config_set("appendfsync", "no")
        assert (tmp_path / "appendonlydir").is_dir()
        assert PASSWORD.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", [_of_chart, _of_compose])
def test_both_give_clients_the_same_rights(command: Callable[[], list[str]]) -> None:
    assert client_rights() in "\n".join(command())
