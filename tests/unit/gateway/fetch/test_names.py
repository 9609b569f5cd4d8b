"""Names of clients whose name server is silent: a real one, and real lookups in uvloop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import GUARD_S

SILENT = "127.77.0.1"
LOOK_UP = """
import asyncio, os, socket
import uvloop
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.connect import open_connection
from deepfake_serving.gateway.fetch.fetcher import Fetcher

async def main():
    loop = asyncio.get_running_loop()
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.setblocking(False)
    silent.bind(("127.77.0.1", 53))
    policy = AddressPolicy()
    fetcher = Fetcher(policy, timeout_s=300)
    slow, sooner = set(), set()  # the latter have timeouts below that of the name server
    for n in range(4):
        host = f"host{n}.example.org"
        slow.add(asyncio.create_task(fetcher.fetch(f"http://{host}/", print, 1)))
        sooner.add(asyncio.create_task(fetcher.check_resolved(f"http://hooks.{host}/")))
        sooner.add(asyncio.create_task(open_connection(policy, f"rtsp.{host}", 554, tls=False)))
    asked = set()
    while len(asked) < 4:  # as many as uvloop has threads
        query = await loop.sock_recv(silent, 512)
        asked.add(query[12:].partition(b"\\x00\\x00")[0])
    own = asyncio.create_task(loop.getaddrinfo("localhost", 80))
    done, _ = await asyncio.wait({own, *slow}, return_when=asyncio.FIRST_COMPLETED)
    print("own" if own in done else "those of clients", flush=True)
    os._exit(0)

uvloop.run(main())
"""


def test_names_of_clients_delay_no_others(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a mount namespace takes root, and most containers permit none")
    settings = tmp_path / "resolv.conf"
    settings.write_text(f"nameserver {SILENT}\noptions timeout:30 attempts:1\n")
    mount = f'mount --bind {settings} /etc/resolv.conf && exec {sys.executable} -c "$LOOK_UP"'
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount],
        env=os.environ | {"LOOK_UP": LOOK_UP},
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )
    assert ended.stdout == "own\n", ended.stderr
