"""Files are for their user alone, and no link leads out of the objects' folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.jobs.service import JobService
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.storage.objects import Objects

MAIN = """
import asyncio, os, sys
from deepfake_serving.gateway import {module} as main
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.storage.objects import Objects

async def write(*_, **__):
    await Objects.open(f"file://{{sys.argv[1]}}/objects").put("jobs/a/media", b"x")
    async with open_store(f"sqlite:///{{sys.argv[1]}}/data/jobs", max_queued=1, max_attempts=1):
        return 0

main.{function} = write
sys.exit(main.main())
"""


@pytest.mark.parametrize(
    ("module", "function"), [("__main__", "serve"), ("worker.__main__", "work")]
)
def test_files_are_readable_for_their_user_alone(
    module: str, function: str, tmp_path: Path
) -> None:
    package, _, name = module.rpartition(".")
    script = MAIN.format(module=name, function=function).replace(
        "gateway import", f"gateway{'.' * bool(package)}{package} import", 1
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, timeout=120)
    paths = list(tmp_path.rglob("*"))
    assert len(paths) >= 6
    assert {oct(path.stat().st_mode & 0o077) for path in paths} == {"0o0"}


@pytest.mark.parametrize("kind", ["file", "folder"])
async def test_links_are_not_followed(kind: str, tmp_path: Path) -> None:
    objects = Objects.open(f"file://{tmp_path}/objects")
    await objects.put("jobs/a/media", b"media")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "media").write_bytes(b"secret")
    if kind == "file":
        os.symlink(secret / "media", tmp_path / "objects/jobs/a/link")
        key = "jobs/a/link"
    else:
        os.symlink(secret, tmp_path / "objects/jobs/b")
        key = "jobs/b/media"
    with pytest.raises(NotFound):
        await objects.get(key)
    with pytest.raises(NotFound):
        await objects.get_file(key, tmp_path / "copy")
    with pytest.raises(NotFound):
        await objects.put(key, b"overwritten")
    with pytest.raises(NotFound):
        await objects.copy(key, "jobs/a/copy")
    with pytest.raises(NotFound):
        [chunk async for chunk in objects.read(key, 0, 6)]
    assert (secret / "media").read_bytes() == b"secret"
    assert await objects.get("jobs/a/media") == b"media"


async def test_an_objects_folder_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "link")
    objects = Objects.open(f"file://{tmp_path}/link/objects")
    await objects.put("jobs/a/media", b"media")
    assert await objects.get("jobs/a/media") == b"media"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.svg", "application/octet-stream"),
        ("a.html", "application/octet-stream"),
        ("a.mp4", "video/mp4"),
    ],
)
async def test_media_are_served_as_media_only(name: str, expected: str, tmp_path: Path) -> None:
    objects = Objects.open(f"file://{tmp_path}/objects")
    async with open_store(f"sqlite:///{tmp_path}/jobs", max_queued=9, max_attempts=1) as store:
        await objects.put("jobs/a/media", b"x")
        source = Source(name, "jobs/a/media")
        await store.submit(Job("a", "video", "queued", source, {}, store.clock()))
        media = await JobService(store, objects).media("a", Principal())
    assert (media.name, media.content_type) == (name, expected)
