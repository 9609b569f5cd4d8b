"""scripts/install.sh, with a stub of uv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MIRROR = "https://pypi.example.com/simple"
UV = """#!/bin/sh
echo "${UV_DEFAULT_INDEX:-none}" >>indexes
[ "$2" != freeze ] || echo torch==1+cpu
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Returns a folder with an environment in which uv notes the index it would use."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, script in {"python": f'#!/bin/sh\nexec {sys.executable} "$@"\n', "uv": UV}.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (tmp_path / "build").mkdir()
    (tmp_path / "lock.txt").write_text("torch==1\n")
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {MIRROR}\n")
    return tmp_path


def _indexes(clone: Path, **environment: str) -> set[str]:
    kept = {name: value for name, value in os.environ.items() if "INDEX" not in name}
    subprocess.run(
        [ROOT / "scripts" / "install.sh", "lock.txt"],
        cwd=clone,
        env=kept | {"PIP_CONFIG_FILE": os.devnull} | environment,
        check=True,
    )
    return set((clone / "indexes").read_text().split())


def test_packages_come_from_the_mirror_of_pip(clone: Path) -> None:
    assert _indexes(clone, PIP_CONFIG_FILE=str(clone / "pip.conf")) == {MIRROR}
    (clone / "indexes").unlink()
    assert _indexes(clone, PIP_INDEX_URL=MIRROR) == {MIRROR}


def test_torch_is_installed_only_if_the_lock_has_it(clone: Path) -> None:
    uv = clone / ".venv" / "bin" / "uv"
    uv.write_text('#!/bin/sh\necho "$*" >>calls\n[ "$2" != show ]\n')
    (clone / "lock.txt").write_text("grpcio==1\n")
    subprocess.run([ROOT / "scripts" / "install.sh", "lock.txt"], cwd=clone, check=True)
    assert "torch==" not in (clone / "calls").read_text()


def test_without_a_mirror_uv_chooses(clone: Path) -> None:
    assert _indexes(clone) == {"none"}


def test_the_index_of_uv_wins(clone: Path) -> None:
    assert _indexes(clone, PIP_INDEX_URL=MIRROR, UV_DEFAULT_INDEX="https://other") == {
        "https://other"
    }


SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@pytest.mark.skipif(not any(map(os.path.exists, SYSTEM)), reason="a system without authorities")
@pytest.mark.parametrize(("given", "used"), [({}, "true"), ({"UV_SYSTEM_CERTS": "false"}, "false")])
def test_uv_trusts_the_authorities_of_the_system(given: dict[str, str], used: str) -> None:
    """Else a proxy that inspects TLS stops it, whose authority the system has."""
    kept = {name: value for name, value in os.environ.items() if name != "UV_SYSTEM_CERTS"}
    printed = subprocess.run(
        ["make", "--silent", "--eval", "show: ; @echo $$UV_SYSTEM_CERTS", "show"],
        cwd=ROOT,
        env=kept | given,
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout == f"{used}\n"
