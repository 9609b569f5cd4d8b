"""Collections of documents in SQLite and in Redis: the same tests for both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deepfake_serving.gateway.queue.collections.collection import Collection, Document
from deepfake_serving.gateway.queue.collections.trimming import trim
from deepfake_serving.gateway.queue.store import open_store


@pytest.fixture
async def pair(store_url: str) -> AsyncIterator[tuple[Collection, Collection]]:
    """Yields two collections of one store."""
    async with open_store(store_url, max_queued=1, max_attempts=1) as store:
        yield store.backend.collection("images"), store.backend.collection("feedback")


def document(key: str, at: float, data: bytes = b"x") -> Document:
    return Document(key, at, data)


async def keys(collection: Collection, limit: int = 500) -> list[str]:
    return [each.key for each in await collection.page(limit)]


async def test_documents_are_replaced_and_deleted_by_key(
    pair: tuple[Collection, Collection],
) -> None:
    images, feedback = pair
    await images.put([])
    await images.put([document("a", 1.0), document("b|1", 2.5)])
    await feedback.put([document("a", 9.0, b"other")])
    await images.put([document("a", 3.0, b"\x00new")])
    assert await images.get("a") == document("a", 3.0, b"\x00new")
    assert await images.get("c") is None
    assert await keys(images) == ["a", "b|1"]
    await images.remove([])
    await images.remove(["a", "c"])
    assert await keys(images) == ["b|1"]
    assert await feedback.get("a") == document("a", 9.0, b"other")


async def test_pages_contain_every_document_once_newest_first(
    pair: tuple[Collection, Collection],
) -> None:
    images, _ = pair
    await images.put([document(f"{n:03}", 1_700_000_000.25 + n // 3) for n in range(410)])
    seen: list[Document] = []
    before: tuple[float, str] | None = None
    while page := await images.page(50, before):
        seen += page
        before = page[-1].created_at, page[-1].key
    assert [each.key for each in seen] == [f"{n:03}" for n in reversed(range(410))]


async def test_old_documents_and_those_above_the_number_are_deleted(
    pair: tuple[Collection, Collection],
) -> None:
    images, feedback = pair
    await images.put([document(f"{n:03}", float(n)) for n in range(300)])
    await feedback.put([document("kept", 1.0)])
    await images.delete_before(10.0)
    await trim(images, 1000, _no_owner)
    assert len(await keys(images)) == 290
    await trim(images, 2, _no_owner)
    assert await keys(images) == ["299", "298"]
    await trim(images, 0, _no_owner)
    assert await keys(images) == []
    assert await keys(feedback) == ["kept"]


async def test_the_owner_of_the_most_documents_makes_room(
    pair: tuple[Collection, Collection],
) -> None:
    images, _ = pair
    await images.put([document("few|old", 1.0), document("few|new", 99.0)])
    await images.put([document(f"many|{n:02}", float(n)) for n in range(2, 20)])
    await trim(images, 5, lambda key: key.partition("|")[0])
    assert await keys(images) == ["few|new", "many|19", "many|18", "many|17", "few|old"]


def _no_owner(_: str) -> str:
    return ""
