"""`deepfake-serving submit` of large videos over connections that break."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.cli.gateway import resumable
from deepfake_serving.cli.gateway.resumable import ResumableUpload
from deepfake_serving.contracts.problems import Conflict, Problem, UnknownModel, UpstreamUnavailable
from tests.support.cutting_proxy import CuttingProxy
from tests.support.running import GUARD_S, RunningGateway

pytestmark = pytest.mark.integration

LENGTH = 12 * 2**20
OVERHEAD = 2**20
"""More than the requests' headers and what is on its way when a connection is cut."""

Submit = Callable[..., str]


@pytest.fixture(autouse=True)
def state(gateway: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of begun uploads. Pauses last until the gateway has stored what it got."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(resumable, "_PAUSE_S", 0.0)
    pause = ResumableUpload._pause

    def until_stored(upload: ResumableUpload, problem: Problem) -> None:
        pause(upload, problem)
        gateway.wait_until(lambda: upload._offset() > upload._stored, GUARD_S, "stored")

    monkeypatch.setattr(ResumableUpload, "_pause", until_stored)
    return tmp_path / "deepfake-serving" / "uploads"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film ü.mp4"
    path.write_bytes(os.urandom(LENGTH))
    return path


@pytest.fixture
def proxy(gateway: RunningGateway) -> Iterator[CuttingProxy]:
    with CuttingProxy(gateway.ports["http"], []) as proxy:
        yield proxy


@pytest.fixture
def submit(proxy: CuttingProxy, film: Path) -> Submit:
    def run(*options: str) -> str:
        command = ["submit", str(film), "--server", proxy.url, *options]
        result = CliRunner().invoke(cli.app, command)
        if result.exception is not None:
            raise result.exception
        return result.stdout.strip()

    return run


def check(api: httpx.Client, job_id: str, film: Path) -> None:
    source = api.get(f"/v1/jobs/{job_id}").json()["source"]
    digest = f"sha256:{hashlib.sha256(film.read_bytes()).hexdigest()}"
    assert source == {"name": film.name, "url": None, "bytes": LENGTH, "digest": digest}
    assert api.get(f"/v1/jobs/{job_id}/media").content == film.read_bytes()


def test_an_upload_goes_on_after_connections_broke(
    submit: Submit, proxy: CuttingProxy, api: httpx.Client, film: Path, state: Path
) -> None:
    proxy.cuts = [5 * 2**20, 9 * 2**20]
    check(api, submit(), film)
    assert not proxy.cuts
    assert proxy.received < LENGTH + OVERHEAD
    assert list(state.iterdir()) == []


def test_the_same_command_goes_on_where_the_last_one_gave_up(
    submit: Submit,
    proxy: CuttingProxy,
    gateway: RunningGateway,
    api: httpx.Client,
    film: Path,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.cuts = [5 * 2**20]
    with monkeypatch.context() as impatient:
        impatient.setattr(resumable, "_GIVE_UP_S", -1.0)
        with pytest.raises(UpstreamUnavailable, match="the same command goes on with the upload"):
            submit()
    (begun,) = state.iterdir()
    path = f"/v1/uploads/{begun.read_text()}"
    gateway.wait_until(lambda: api.get(path).json()["offset"] > 0, GUARD_S, "stored")
    with pytest.raises(UnknownModel):
        submit("--model", "cats")
    check(api, submit(), film)
    assert proxy.received < LENGTH + OVERHEAD


def test_a_job_whose_response_was_lost_is_not_submitted_twice(
    submit: Submit, api: httpx.Client, film: Path, state: Path
) -> None:
    kept = dict[Path, bytes]()
    forget = resumable.BegunUpload.forget

    def keep(begun: resumable.BegunUpload) -> None:
        kept.update({path: path.read_bytes() for path in state.iterdir()})
        forget(begun)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resumable.BegunUpload, "forget", keep)
        job = submit()
    for path, content in kept.items():
        path.write_bytes(content)
    assert submit() == job
    for path, content in kept.items():
        path.write_bytes(content)
    other = submit("--no-shots")
    assert other != job
    check(api, other, film)


def test_a_file_with_an_idempotency_key_is_one_job_and_resumes(
    submit: Submit, proxy: CuttingProxy, api: httpx.Client, film: Path
) -> None:
    proxy.cuts = [5 * 2**20]
    job = submit("--idempotency", "film-1")
    assert not proxy.cuts
    assert proxy.received < LENGTH + OVERHEAD
    check(api, job, film)
    assert submit("--idempotency", "film-1") == job


def test_a_key_of_another_file_ends_the_command(submit: Submit, film: Path) -> None:
    submit("--idempotency", "film-2")
    film.write_bytes(os.urandom(LENGTH))
    with pytest.raises(Conflict, match="used with another request"):
        submit("--idempotency", "film-2")
