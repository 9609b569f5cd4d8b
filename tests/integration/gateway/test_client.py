"""The client generated from the OpenAPI document, against the running gateway."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from scripts.openapi import write_client
from tests.support.paths import ROOT
from tests.support.published_schema import event_hooks
from tests.support.running import RunningGateway

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Returns a function that imports modules of the client by name."""
    folder = tmp_path_factory.mktemp("client")
    write_client(folder / "made")
    sys.path.insert(0, str(folder / "made"))
    yield lambda name: importlib.import_module(f"deepfake_serving_client.{name}")
    sys.path.remove(str(folder / "made"))


def test_the_generated_client_handles_an_image_a_video_and_a_problem(
    client_package: Any, gateway: RunningGateway, astronaut_jpeg: bytes, video: Path
) -> None:
    models, types = client_package("models"), client_package("types")
    client = client_package("client").Client(
        base_url=gateway.url, timeout=60, httpx_args={"event_hooks": event_hooks()}
    )
    file = types.File(BytesIO(astronaut_jpeg), "a.jpg")
    detect = client_package("api.images.detect_image").sync_detailed
    verdict = detect(client=client, body=models.DetectImageFilesBody(file=file)).parsed
    assert isinstance(verdict, models.ImageVerdict)
    assert len(verdict.faces) == 1
    text = types.File(BytesIO(b"text"), "a.txt")
    problem = detect(client=client, body=models.DetectImageFilesBody(file=text)).parsed
    assert isinstance(problem, models.ProblemDocument)
    assert problem.status == 415
    film = types.File(BytesIO(video.read_bytes()), "scenes.mp4")
    submit = client_package("api.videos.submit_video").sync
    job = submit(client=client, body=models.SubmitVideoFilesBody(file=film), sampling="every:5")
    watch = client_package("api.jobs.watch_job").sync_detailed
    watch(job.id, client=client)  # until it has ended
    completed = client_package("api.jobs.get_job").sync(job.id, client=client)
    assert isinstance(completed, models.JobDocument)
    assert completed.state == "succeeded"
    assert [len(shot.tracks) for shot in completed.result.shots] == [1, 0, 2]
    name = completed.result.shots[0].strip.rsplit("/", 1)[1]
    strip = client_package("api.jobs.get_gallery_image").sync(job.id, name, client=client)
    assert strip.payload.read().startswith(b"\xff\xd8")
    client.get_httpx_client().close()


def test_the_generated_client_uploads_a_video_in_parts(
    client_package: Any, gateway: RunningGateway, video: Path
) -> None:
    models, types = client_package("models"), client_package("types")
    data = video.read_bytes()
    with client_package("client").Client(base_url=gateway.url, timeout=60) as client:
        create = client_package("api.uploads.create_upload").sync
        upload = create(client=client, upload_length=len(data))
        append = client_package("api.uploads.append_upload").sync_detailed
        for offset, part in ((0, data[:1000]), (1000, data[1000:])):
            body = types.File(BytesIO(part))
            sent = append(upload.id, client=client, body=body, upload_offset=offset)
            assert sent.status_code == 204
        body = models.SubmitVideoJsonBody(upload=upload.id)
        job = client_package("api.videos.submit_video").sync(client=client, body=body)
        assert job.source.bytes_ == len(data)


def test_the_example_of_the_python_client_prints_two_verdicts(
    client_package: Any, gateway: RunningGateway
) -> None:
    folder = Path(client_package("client").__file__).parents[1]
    page = (ROOT / "docs" / "clients.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example.replace("http://127.0.0.1:8000", gateway.url)],
        cwd=ROOT,
        env={"PYTHONPATH": str(folder)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["real", "real"]
