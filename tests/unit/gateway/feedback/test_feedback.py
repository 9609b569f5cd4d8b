"""Feedback on images and jobs, on SQLite and on Redis: who may give it, and how long it is kept."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidRequest,
    NotFound,
    StorageFull,
    UpstreamUnavailable,
)
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.feedback.export import write_export
from deepfake_serving.gateway.feedback.images import AnalysedImages
from deepfake_serving.gateway.feedback.records import Feedback, Truth
from deepfake_serving.gateway.feedback.retention import (
    delete_expired_feedback,
    delete_expired_images,
)
from deepfake_serving.gateway.feedback.service import FeedbackRequest, FeedbackService
from deepfake_serving.gateway.feedback.store import FeedbackStore
from deepfake_serving.gateway.http.openapi.examples import IMAGE
from deepfake_serving.gateway.jobs.retention import delete_expired
from deepfake_serving.gateway.jobs.service import JobService
from deepfake_serving.gateway.queue.collections.collection import Document
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.training.development.sets import read_sets

ME, YOU, CHIEF = Principal("me", False), Principal("you", False), Principal("chief", True)
JPEG = b"\xff\xd8\xff" + bytes(40)
VERDICT = orjson.dumps(IMAGE)
TWO_FACES = orjson.dumps(IMAGE | {"faces": IMAGE["faces"] * 2})
RESULT = {
    "verdict": "fake",
    "fake_probability": 0.9,
    "model": IMAGE["model"],
    "shots": [
        {
            "tracks": [
                {
                    "id": "1-0",
                    "verdict": "fake",
                    "fake_probability": 0.9,
                    "keyframe": "/v1/jobs/film/gallery/track-1-0-high.jpg",
                }
            ]
        }
    ],
}


class Storage:
    """A job store, an object store, and what they hold of images and feedback."""

    def __init__(self, store: JobStore, objects: Objects) -> None:
        self.store, self.objects, self.now = store, objects, 2000.0
        self.jobs = JobService(store, objects)
        self.images = self.remember(keep_images=True)
        self.feedback = FeedbackStore(store.backend.collection("feedback"))

    def remember(self, *, keep_images: bool = False, max_count: int = 100) -> AnalysedImages:
        return AnalysedImages(
            self.store.backend.collection("images"),
            self.objects,
            max_count=max_count,
            keep_images=keep_images,
            clock=lambda: self.now,
        )

    def service(self, images: AnalysedImages | None = None) -> FeedbackService:
        return FeedbackService(
            self.feedback, images or self.images, self.jobs, clock=lambda: self.now
        )

    async def give(
        self, by: Principal, image_id: str, label: Truth = "fake", **more: Any
    ) -> Feedback:
        return await self.service().give(FeedbackRequest(image_id, label, **more), by)

    async def film(self, job_id: str = "film") -> None:
        """Stores a job of mine with its video, its result and an image of its track."""
        source = Source("film.mp4", f"jobs/{job_id}/media", digest="sha256:" + "ab" * 32)
        await self.objects.put(f"jobs/{job_id}/media", b"video")
        await self.objects.put(f"jobs/{job_id}/result", orjson.dumps(RESULT))
        await self.objects.put(f"jobs/{job_id}/gallery/track-1-0-high.jpg", JPEG + b"face")
        await self.store.submit(Job(job_id, "video", "queued", source, {}, self.now, owner="me"))
        claim = await self.store.claim(10)
        assert claim is not None
        await self.store.finish(claim, f"jobs/{job_id}/result", {})

    async def labels(self) -> list[tuple[str, str, str | None]]:
        return [(each.id, each.label, each.key) async for each in self.feedback.all()]


@pytest.fixture
async def storage(store_url: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_store(store_url, max_queued=9, max_attempts=1) as store:
        storage = Storage(store, Objects.open(f"file://{tmp_path}/objects"))
        store.clock = lambda: storage.now
        yield storage


async def test_an_image_is_labelled_by_the_key_that_sent_it(storage: Storage) -> None:
    await storage.images.add(JPEG, VERDICT, "a", "me")
    given = await storage.give(ME, "a", "fake", note="a swap of mine")
    assert (given.kind, given.label, given.verdict, given.note) == (
        "image", "fake", "real", "a swap of mine",
    )  # fmt: skip
    assert (given.key, given.owner, given.faces) == ("me", "me", 1)
    assert (given.model, given.fake_probability) == ("detector", 0.151323)
    with pytest.raises(NotFound, match="no image response and no job of yours"):
        await storage.give(YOU, "a")
    with pytest.raises(NotFound, match="no image response"):
        await storage.give(ME, "b")
    assert await storage.labels() == [("a", "fake", "me")]


async def test_a_face_is_labelled_by_its_position(storage: Storage) -> None:
    await storage.images.add(JPEG, TWO_FACES, "a", "me")
    given = await storage.give(ME, "a", face=1)
    assert (given.face, given.box) == (1, IMAGE["faces"][0]["box"])
    with pytest.raises(NotFound, match="the image has 2 faces"):
        await storage.give(ME, "a", face=2)
    with pytest.raises(InvalidRequest, match="named by face"):
        await storage.give(ME, "a", track="1-0")


async def test_later_feedback_of_a_key_on_the_same_face_replaces_the_earlier(
    storage: Storage,
) -> None:
    await storage.images.add(JPEG, TWO_FACES, "a", "me")
    labels: list[Truth] = ["fake", "real"]
    for label in labels:
        storage.now += 1
        await storage.give(ME, "a", label)
        await storage.give(ME, "a", label, face=1)
    assert await storage.labels() == [("a", "real", "me")] * 2


async def test_a_job_and_its_tracks_are_labelled_by_its_owner_and_by_admins(
    storage: Storage,
) -> None:
    await storage.film()
    assert (await storage.give(ME, "film", "real")).verdict == "fake"
    storage.now += 1
    track = await storage.give(CHIEF, "film", "real", track="1-0")
    assert (track.key, track.owner, track.name) == ("chief", "me", "film.mp4")
    assert track.object == "jobs/film/gallery/track-1-0-high.jpg"
    with pytest.raises(NotFound, match="of yours"):
        await storage.give(YOU, "film")
    with pytest.raises(NotFound, match="no track"):
        await storage.give(ME, "film", track="7-0")
    with pytest.raises(InvalidRequest, match="named by its track"):
        await storage.give(ME, "film", face=0)
    assert await storage.labels() == [("film", "real", "chief"), ("film", "real", "me")]


async def test_an_image_that_was_submitted_as_a_job_is_labelled_by_face(storage: Storage) -> None:
    source = Source("a.jpg", "jobs/a/media", digest="sha256:" + "cd" * 32)
    await storage.objects.put("jobs/a/result", TWO_FACES)
    job = Job("a", "image", "queued", source, {"boxes": "pixels"}, storage.now, owner="me")
    await storage.store.submit(job)
    claim = await storage.store.claim(10, "images")
    assert claim is not None
    await storage.store.finish(claim, "jobs/a/result", {})
    given = await storage.give(ME, "a", face=1)
    assert (given.kind, given.name, given.face, given.faces) == ("job", "a.jpg", 1, 2)
    assert (given.object, given.digest) == ("jobs/a/media", source.digest)
    assert given.box == IMAGE["faces"][0]["box"]


async def test_a_job_without_a_verdict_cannot_be_labelled(storage: Storage) -> None:
    await storage.store.submit(Job("new", "video", "queued", Source("a"), {}, 1.0, owner="me"))
    with pytest.raises(Conflict, match="the job is queued"):
        await storage.give(ME, "new")


async def test_another_gateway_knows_an_image_once_it_is_stored(storage: Storage) -> None:
    await storage.images.add(JPEG, VERDICT, "a", None)
    other = storage.remember()
    assert await storage.images.find(None, "a") is not None
    assert await other.find(None, "a") is None
    await storage.images.flush_images()
    await storage.images.flush()
    found = await other.find(None, "a")
    assert found is not None
    assert found.object is not None
    assert await storage.objects.get(found.object) == JPEG
    assert await other.find("me", "a") is None


async def test_what_a_failing_store_did_not_accept_is_stored_later(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.images.add(JPEG, VERDICT, "a", "me")
    with monkeypatch.context() as patched:
        refuse = _refuse(UpstreamUnavailable("away"))
        patched.setattr(storage.images._collection, "put", refuse)
        with pytest.raises(UpstreamUnavailable):
            await storage.images.flush()
    await storage.images.add(JPEG, VERDICT, "b", "me")
    await storage.images.flush()
    assert await storage.remember().find("me", "a") is not None
    assert await storage.remember().find("me", "b") is not None


async def test_no_image_is_kept_and_none_remembered_unless_set(storage: Storage) -> None:
    images = storage.remember()
    await images.add(JPEG, VERDICT, "a", "me")
    found = await images.find("me", "a")
    assert found is not None
    assert found.object is None
    nothing = storage.remember(max_count=0)
    await nothing.add(JPEG, VERDICT, "b", "me")
    assert await nothing.find("me", "b") is None
    assert await storage.objects.list("images") == []


async def test_a_verdict_that_cannot_be_remembered_fails_no_request(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for malformed in (b"{", b"{}", b"[]"):
        await storage.images.add(JPEG, malformed, "a", "me")
    assert await storage.images.find("me", "a") is None
    monkeypatch.setattr(storage.objects, "put", _refuse(StorageFull("full")))
    await storage.images.add(JPEG, VERDICT, "b", "me")
    await storage.images.flush_images()
    found = await storage.images.find("me", "b")
    assert found is not None
    assert found.object is None


async def test_no_request_waits_for_a_slow_object_store_and_few_images_do(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    proceed, put = asyncio.Event(), storage.objects.put

    async def slow(key: str, content: Any) -> None:
        await proceed.wait()
        await put(key, content)

    monkeypatch.setattr(storage.objects, "put", slow)
    monkeypatch.setattr(
        "deepfake_serving.gateway.feedback.images._MAX_WAITING_BYTES", 2 * len(JPEG)
    )
    given = [("a", "me"), ("b", "me"), ("c", "you"), ("d", "they")]
    for name, owner in given:
        await storage.images.add(JPEG, VERDICT, name, owner)
    storing = asyncio.create_task(storage.images.flush_images())
    found = [await storage.images.find(owner, name) for name, owner in given]
    waits = [image is not None and image.object is not None for image in found]
    assert waits == [True, False, True, False], "half of those that wait are of one key"
    proceed.set()
    await storing
    assert len(await storage.objects.list("images")) == 2
    await storage.images.add(JPEG, VERDICT, "e", "me")
    await storage.images.flush_images()
    assert len(await storage.objects.list("images")) == 3


async def test_memory_of_responses_is_limited(storage: Storage) -> None:
    images = storage.remember(max_count=3)
    for n in range(5):
        await images.add(JPEG, VERDICT, str(n), "me")
    assert [await images.find("me", str(n)) is not None for n in range(5)] == [
        False, False, True, True, True,
    ]  # fmt: skip


# Retention ----------------------------------------------------------------------------------------


async def test_feedback_on_a_job_is_deleted_with_it(storage: Storage) -> None:
    await storage.film("film")
    await storage.film("other")
    await storage.give(ME, "film")
    await storage.give(ME, "other")
    await storage.jobs.delete("film", ME)
    assert await storage.labels() == [("other", "fake", "me")]
    storage.now += 100
    await delete_expired(storage.store, storage.objects, max_age_s=50, max_bytes=10**9)
    assert await storage.labels() == []


@pytest.mark.parametrize("stored", [False, True], ids=["at once", "once it is stored"])
async def test_a_client_deletes_what_is_stored_of_an_image(stored: bool, storage: Storage) -> None:
    for owner in ("me", "you"):
        await storage.images.add(JPEG, VERDICT, "a", owner)
    await storage.give(ME, "a", face=0)
    await storage.give(YOU, "a", face=0)
    if stored:
        await storage.images.flush_images()
        await storage.images.flush()
    await storage.service().forget("a", ME)
    await storage.images.flush_images()
    await storage.images.flush()
    assert await storage.remember().find("me", "a") is None
    assert await storage.remember().find("you", "a") is not None
    assert len(await storage.objects.list("images")) == 1
    assert await storage.labels() == [("a", "fake", "you")]
    with pytest.raises(NotFound, match="no image response of yours"):
        await storage.service().forget("a", ME)


async def test_an_image_that_is_deleted_while_it_is_stored_does_not_stay(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, proceed, put = asyncio.Event(), asyncio.Event(), storage.objects.put

    async def slow(key: str, content: Any) -> None:
        begun.set()
        await proceed.wait()
        await put(key, content)

    monkeypatch.setattr(storage.objects, "put", slow)
    await storage.images.add(JPEG, VERDICT, "a", "me")
    storing = asyncio.create_task(storage.images.flush_images())
    await begun.wait()
    await storage.service().forget("a", ME)
    proceed.set()
    await storing
    assert await storage.objects.list("images") == []


@pytest.mark.parametrize("subject", ["film", "a"])
async def test_a_label_that_is_given_while_its_subject_is_deleted_does_not_stay(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    await storage.film()
    await storage.images.add(JPEG, VERDICT, "a", "me")
    put = storage.feedback.put

    async def deleted_before(feedback: Feedback) -> None:
        await storage.jobs.delete("film", ME)
        await storage.service().forget("a", ME)
        await put(feedback)

    monkeypatch.setattr(storage.feedback, "put", deleted_before)
    with pytest.raises(NotFound):
        await storage.give(ME, subject)
    assert await storage.labels() == []


async def test_an_image_can_be_labelled_while_it_is_stored(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.images.add(JPEG, VERDICT, "a", "me")
    put = storage.images._collection.put

    async def labelled_meanwhile(documents: Sequence[Document]) -> None:
        await storage.give(ME, "a")
        await storage.images.add(JPEG, VERDICT, "b", "me")
        await put(documents)

    monkeypatch.setattr(storage.images._collection, "put", labelled_meanwhile)
    await storage.images.flush()
    monkeypatch.undo()
    assert await storage.labels() == [("a", "fake", "me")]
    await storage.images.flush()
    assert await storage.remember().find("me", "b") is not None


async def test_old_feedback_responses_and_images_are_deleted(storage: Storage) -> None:
    await storage.images.add(JPEG, VERDICT, "old", "me")
    await storage.give(ME, "old")
    storage.now += 100
    await storage.images.add(JPEG, VERDICT, "new", "me")
    await storage.give(ME, "new")
    await storage.images.flush_images()
    await storage.images.flush()
    images = storage.store.backend.collection("images")
    feedback = storage.store.backend.collection("feedback")
    await delete_expired_images(images, storage.objects, storage.now - 50, 100, 10**9)
    await delete_expired_feedback(feedback, storage.now - 50)
    assert await storage.images.find("me", "old") is None
    assert await storage.labels() == [("new", "fake", "me")]
    assert len(await storage.objects.list("images")) == 2, "by their own times"
    await delete_expired_images(images, storage.objects, 0.0, 100, max_bytes=len(JPEG))
    assert len(await storage.objects.list("images")) == 1
    await delete_expired_images(images, storage.objects, 1e12, 100, max_bytes=10**9)
    assert await storage.objects.list("images") == []


async def test_no_key_displaces_the_images_of_another(storage: Storage) -> None:
    """The key with the most makes room, also where the others' images are older."""
    await storage.images.add(JPEG, VERDICT, "old", "you")
    for n in range(4):
        storage.now += 1
        await storage.images.add(JPEG, VERDICT, f"flood{n}", "me")
    await storage.images.flush_images()
    await storage.images.flush()
    images = storage.store.backend.collection("images")
    await delete_expired_images(images, storage.objects, 0.0, 2, 3 * len(JPEG))
    assert {document.key for document in await images.page(9)} == {"you|old", "me|flood3"}
    kept = [key.split("/")[1] for key, _, _ in await storage.objects.list("images")]
    assert sorted(kept) == ["by-me", "by-me", "by-you"]


async def test_no_key_displaces_the_feedback_of_another(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepfake_serving.gateway.feedback.store._MAX_COUNT", 2)
    await storage.images.add(JPEG, VERDICT, "old", "you")
    await storage.give(YOU, "old")
    for n in range(3):
        storage.now += 1
        await storage.images.add(JPEG, VERDICT, f"flood{n}", "me")
        await storage.give(ME, f"flood{n}")
    await delete_expired_feedback(storage.store.backend.collection("feedback"), 0.0)
    assert [label[0] for label in await storage.labels()] == ["flood2", "old"]


# Export -------------------------------------------------------------------------------------------


async def export(storage: Storage, to: Path) -> list[dict[str, Any]]:
    """Unpacks the export, and returns its labels."""
    await storage.images.flush_images()
    file = io.BytesIO()
    await write_export(storage.feedback.all(), storage.objects, file)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(to)
    lines = (to / "feedback" / "labels.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


async def test_an_export_is_a_development_set(storage: Storage, tmp_path: Path) -> None:
    await storage.film()
    for name, faces in (("a", VERDICT), ("b=2+1", VERDICT), ("many", TWO_FACES)):
        await storage.images.add(JPEG + name.encode(), faces, name, "me")
    labels: list[tuple[str, Truth, dict[str, Any]]]
    labels = [("a", "fake", {}), ("b=2+1", "real", {"face": 0}), ("many", "fake", {"face": 1})]
    labels += [("film", "real", {}), ("film", "real", {"track": "1-0"})]
    for image_id, label, part in labels:
        storage.now += 1
        await storage.give(ME, image_id, label, **part)
    exported = await export(storage, tmp_path / "set")
    assert len(exported) == 5
    assert all(set(each) >= {"label", "digest", "verdict", "note"} for each in exported)
    assert not any("object" in each for each in exported)
    files = {each["id"] + (each["track"] or ""): each["file"] for each in exported}
    assert files["many"].startswith("faces/")
    assert files["film1-0"] == "real/abababababababab-track-1-0.jpg"
    assert files["film"] == "real/abababababababab.mp4"
    (media,) = read_sets(tmp_path / "set").values()
    assert sorted(each.fake for each in media) == [False, False, False, True]


async def test_an_export_has_labels_alone_where_images_are_not_kept(
    storage: Storage, tmp_path: Path
) -> None:
    storage.images = storage.remember()
    await storage.images.add(JPEG, VERDICT, "a", "me")
    await storage.give(ME, "a")
    (line,) = await export(storage, tmp_path)
    assert (line["file"], line["media"], line["label"]) == (None, False, "fake")
    assert line["digest"].startswith("sha256:")


async def test_of_several_labels_for_the_same_media_the_newest_is_exported(
    storage: Storage, tmp_path: Path
) -> None:
    await storage.film()
    await storage.give(ME, "film", "fake")
    storage.now += 1
    await storage.give(CHIEF, "film", "real")
    (line,) = await export(storage, tmp_path)
    assert (line["label"], line["key"]) == ("real", "chief")


async def test_media_that_were_deleted_meanwhile_leave_their_label(
    storage: Storage, tmp_path: Path
) -> None:
    await storage.images.add(JPEG, VERDICT, "a", "me")
    given = await storage.give(ME, "a")
    assert given.object is not None
    await storage.images.flush_images()
    await storage.objects.delete(given.object)
    await storage.feedback.put(replace(given, note="=HYPERLINK()"))
    (line,) = await export(storage, tmp_path)
    assert (line["file"], line["note"]) == (None, "=HYPERLINK()")


def _refuse(problem: Exception) -> Any:
    async def refuse(*_: object) -> None:
        raise problem

    return refuse
