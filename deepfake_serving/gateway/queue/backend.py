"""The interface of a database of jobs, and the format of its records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import orjson
import structlog

from deepfake_serving.contracts.jobs import STATES, Job, Progress, Source, State, WebhookDelivery
from deepfake_serving.contracts.verdict import Label
from deepfake_serving.gateway.queue.collections.collection import Collection as DocumentCollection
from deepfake_serving.gateway.queue.collections.collection import Name
from deepfake_serving.gateway.queue.records import QueueName, Record
from deepfake_serving.gateway.queue.usage import UsageStore

log = structlog.get_logger(__name__)


class UnreadableRecord(Exception):
    """A record that is damaged, or was written by a version with another format."""


@dataclass(frozen=True, slots=True)
class Query:
    """A filter of jobs. None matches any value; times are seconds since the epoch.

    Only jobs with a result have a verdict and a probability.
    """

    owner: str | None = None
    state: State | None = None
    kind: str | None = None
    text: str | None = None
    created_from: float | None = None
    created_before: float | None = None
    verdict: Label | None = None
    min_probability: float | None = None
    max_probability: float | None = None

    def matches(self, job: Job) -> bool:
        """Returns whether the job passes the filter."""
        text = (self.text or "").lower()
        return (
            self.owner in (None, job.owner)
            and self.state in (None, job.state)
            and self.kind in (None, job.kind)
            and (text in job.source.name.lower() or text in job.id)
            and _within(job.created_at, self.created_from, self.created_before, exclusive=True)
            and self._matches_summary(job.summary or {})
        )

    def _matches_summary(self, summary: Mapping[str, Any]) -> bool:
        low, high = self.min_probability, self.max_probability
        return self.verdict in (None, summary.get("verdict")) and _within(
            summary.get("fake_probability"), low, high
        )


ALL = Query()
"""Every job."""


def _within(
    value: float | None, low: float | None, high: float | None, *, exclusive: bool = False
) -> bool:
    """Returns whether a value is within limits, of which the upper one may be exclusive."""
    if low is None and high is None:
        return True
    if value is None or (low is not None and value < low):
        return False
    return high is None or (value < high if exclusive else value <= high)


class Backend(Protocol):
    """A database of records.

    Every method raises `UpstreamUnavailable` if the database cannot be reached and `StorageFull`
    if it is full. Methods that return a single record raise `UnreadableRecord`.
    """

    @property
    def usage(self) -> UsageStore:
        """The usage of API keys."""
        ...

    def collection(self, name: Name) -> DocumentCollection:
        """Returns a collection of documents."""
        ...

    async def insert(
        self, record: Record, idempotency: tuple[str, str] | None, accept_new: bool
    ) -> Record | None:
        """Inserts a record and returns it; None if a new one is not accepted.

        Args:
            idempotency: A key and a fingerprint. The record that was inserted with this key
                before is returned instead, even if new ones are not accepted.

        Raises:
            Conflict: the key was used with another fingerprint.
        """
        ...

    async def remember(self, idempotency: tuple[str, str], job_id: str) -> None:
        """Stores another key and fingerprint of a record, as `insert` does."""
        ...

    async def get(self, job_id: str) -> Record | None:
        """Returns the record of a job."""
        ...

    async def update(
        self, job_id: str, change: Callable[[Record], Record | None], urgent: bool = False
    ) -> Record | None:
        """Changes a record atomically. `change` is called again after a concurrent write.

        Args:
            urgent: Whether it works in a full database, too, as deletions do.

        Returns:
            The changed record; None if there is no record or `change` returned None.
        """
        ...

    async def due(
        self, now: float, limit: int, queue: QueueName, exclude: Collection[str | None] = ()
    ) -> list[str]:
        """Returns the ids of a queue's due records, in the order of `fairness.in_turns`.

        A call reads a limited number of records: where all of them are left out, it returns none,
        and the next call with the same `exclude` reads on.

        Args:
            exclude: Owners whose records are left out.
        """
        ...

    async def served(self, queue: QueueName, owner: str | None, now: float) -> None:
        """Notes that a record of the owner was claimed, which ends the owner's turn."""
        ...

    async def queued_of(self, owner: str) -> int:
        """Returns the number of the owner's queued jobs."""
        ...

    async def defer(self, job_id: str, until: float) -> None:
        """Makes a record, which may be unreadable, due at a later time."""
        ...

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        """Returns readable records, the newest first.

        Args:
            before: Creation time and id of the last record of the previous page.
        """
        ...

    async def remove(self, job_id: str) -> None:
        """Deletes a record."""
        ...

    async def check_writes(self) -> None:
        """Raises a problem unless writes are accepted."""
        ...

    async def counts(self) -> dict[str, int]:
        """Returns the number of jobs by state."""
        ...

    async def parts(self, job_id: str) -> list[str]:
        """Returns the ids of the records of kind `part` that belong to a job."""
        ...

    async def part_counts(self) -> dict[str, int]:
        """Returns the number of parts by state. No other list or number includes them."""
        ...

    async def oldest_queued(self) -> float | None:
        """Returns the creation time of the oldest queued job."""
        ...

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        """Returns the current versions of those jobs that exist and can be read."""
        ...


def dump(record: Record) -> bytes:
    """Serialises a record."""
    return orjson.dumps(record)


def parse(data: bytes) -> Record:
    """Parses a record. Unknown fields are ignored, so a release can be rolled back.

    Raises:
        UnreadableRecord
    """
    try:
        document: dict[str, Any] = orjson.loads(data)
        job = document.pop("job")
        job["source"] = _build(Source, job["source"])
        job["progress"] = _build(Progress, job["progress"])
        if job.get("delivery") is not None:
            job["delivery"] = _build(WebhookDelivery, job["delivery"])
        record: Record = _build(Record, document | {"job": _build(Job, job)})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableRecord("this version cannot read the record of the job") from error
    if record.job.state not in STATES:
        raise UnreadableRecord(f"this version has no job state {record.job.state!r}")
    return record


def parse_readable(documents: Iterable[bytes]) -> list[Record]:
    """Parses the records that can be read, and logs the others."""
    records = []
    for data in documents:
        try:
            records.append(parse(data))
        except UnreadableRecord as error:
            log.error("unreadable record", reason=str(error), record=data[:200])
    return records


def _build(cls: Any, document: dict[str, Any]) -> Any:
    known = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in document.items() if name in known})
