"""The command line as a client of a real gateway: images, jobs, feedback, models, usage."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.contracts.problems import InvalidRequest, NotFound, UnknownModel
from tests.support.requests import problem_of, same
from tests.support.running import RunningGateway

pytestmark = pytest.mark.integration

Call = Callable[..., Result]


@pytest.fixture
def call(gateway: RunningGateway) -> Call:
    """Runs a command against the gateway; raises the problem that ends it."""

    def run(*arguments: object, **given: bytes) -> Result:
        command = [*map(str, arguments), "--server", gateway.url]
        result = CliRunner().invoke(cli.app, command, **given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def image(tmp_path: Path, astronaut_jpeg: bytes) -> Path:
    path = tmp_path / "astronaut.jpg"
    path.write_bytes(astronaut_jpeg)
    return path


def test_images_are_analysed_by_the_gateway_in_order(
    call: Call, api: httpx.Client, image: Path, astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    text, missing = tmp_path / "a.txt", tmp_path / "missing.jpg"
    text.write_text("text")
    paths = [image, text, *[image] * 6, missing, tmp_path, "ftp://a/b.jpg"]
    result = call("detect", "--json", "--provenance", *paths)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["file"] for each in found] == list(map(str, paths))
    verdict = api.post("/v1/images?provenance=true", content=astronaut_jpeg).json()
    assert same(found[0]) == same(verdict) | {"file": str(image)}
    problems = [each["detail"] for each in found if "type" in each]
    assert problems[0].startswith("not a supported image format")
    assert problems[1:3] == [
        "the file can't be read: No such file or directory",
        "the file can't be read: Is a directory",
    ]
    assert (len(problems), result.exit_code) == (4, 1)


def test_heatmaps_of_the_gateway_are_written(call: Call, image: Path, tmp_path: Path) -> None:
    result = call("detect", image, "--explain", tmp_path / "maps")
    assert (result.exit_code, (tmp_path / "maps" / "astronaut-1.png").exists()) == (0, True)


def test_what_all_images_would_fail_by_ends_the_command(call: Call, image: Path) -> None:
    with pytest.raises(UnknownModel, match="there is no model 'cats'"):
        call("detect", image, image, "--model", "cats")
    with pytest.raises(InvalidRequest, match="--archive needs the images to be analysed here"):
        call("detect", image, "--archive", image)


def test_jobs_are_listed_shown_cancelled_and_deleted(
    call: Call, api: httpx.Client, video: Path
) -> None:
    job = call("submit", video).stdout.strip()
    watched = call("watch", job).stdout
    assert call("jobs", "show", job).stdout == watched
    assert json.loads(call("jobs", "show", job, "--json").stdout)["id"] == job
    assert call("jobs", "cancel", job).stdout == f"{job} succeeded\n"
    row = call("jobs", "list", "--text", job).stdout.splitlines()[1].split()
    assert row[:3] == [job, "video", "succeeded"]
    assert row[-1] == video.name
    (listed,) = call("jobs", "list", "--text", job, "--json").stdout.splitlines()
    assert json.loads(listed)["summary"] is not None
    running = call("submit", video, "--sampling", "every:1").stdout.strip()
    deleted = call("jobs", "delete", job, "unknown", running)
    assert deleted.stdout == f"{job} deleted\n{running} deleted\n"
    assert (deleted.stderr, deleted.exit_code) == ("no job 'unknown'\n", 1)
    for each in (job, running):
        problem_of(api.get(f"/v1/jobs/{each}"), 404, "not-found")
    with pytest.raises(NotFound):
        call("jobs", "show", job)


@pytest.mark.parametrize("command", [["watch"], ["jobs", "show"], ["jobs", "delete"]])
def test_an_empty_id_is_named(call: Call, command: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="the id of the job is empty"):
        call(*command, "")


def test_a_filter_that_the_gateway_refuses_is_named(call: Call) -> None:
    with pytest.raises(InvalidRequest, match="state: "):
        call("jobs", "list", "--state", "lost")


def test_feedback_is_given_listed_exported_and_forgotten(
    call: Call, api: httpx.Client, astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    image = api.post("/v1/images", content=astronaut_jpeg).json()["id"]
    given = call("feedback", "give", image, "fake", "--face", "0", "--note", "[b]Käse")
    assert given.stdout == f"{image} fake\n"
    row = call("feedback", "list", "--limit", "1").stdout.splitlines()[1]
    assert row.split()[:6] == [image, "image", "fake", "face", "0", "real"]
    assert row.endswith("[b]Käse")
    (listed,) = call("feedback", "list", "--limit", "1", "--json").stdout.splitlines()
    assert json.loads(listed)["note"] == "[b]Käse"
    file = tmp_path / "feedback.zip"
    call("feedback", "export", file)
    with zipfile.ZipFile(file) as archive:
        assert image in archive.read("feedback/labels.jsonl").decode()
    assert call("feedback", "forget", image).stdout == f"{image} forgotten\n"
    with pytest.raises(NotFound):
        call("feedback", "give", image, "real")
    with pytest.raises(InvalidRequest, match="label"):
        call("feedback", "give", image, "cat")


def test_models_are_listed(call: Call) -> None:
    heading, *rows = call("models").stdout.splitlines()
    assert heading.split()[:4] == ["name", "version", "task", "pools"]
    detector = next(row.split() for row in rows if row.startswith("detector"))
    assert (detector[2:4], detector[4:6]) == (["detector", "pool-0"], ["0.40", "0.60"])
    names = [json.loads(line)["name"] for line in call("models", "--json").stdout.splitlines()]
    assert names == [row.split()[0] for row in rows]


def test_a_gateway_without_keys_has_no_usage(call: Call) -> None:
    used = call("usage")
    assert (used.stdout, used.stderr) == ("", "no usage: this gateway has no API keys\n")
