"""What a database must be able to do to keep jobs, and how a record is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import orjson
import structlog

from deepfake_serving.contracts.jobs import STATES, Job, Progress, Source, State
from deepfake_serving.gateway.jobs.records import Lane, Record

log = structlog.get_logger(__name__)


class UnreadableRecord(Exception):
    """What is kept of a job was written by a version that this one does not understand, or was
    damaged."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which jobs a list shows; None for any."""

    owner: str | None = None
    state: State | None = None
    kind: str | None = None
    text: str | None = None

    def holds(self, job: Job) -> bool:
        text = (self.text or "").lower()
        return (
            self.owner in (None, job.owner)
            and self.state in (None, job.state)
            and self.kind in (None, job.kind)
            and (text in job.source.name.lower() or text in job.id)
        )


class Backend(Protocol):
    """A database of records. Every method raises `UpstreamUnavailable` where it can't be reached,
    and `StorageFull` where it has no room; those that return one record `UnreadableRecord`."""

    async def insert(
        self, record: Record, once: tuple[str, str] | None, room: bool
    ) -> Record | None:
        """Adds a record and returns it; None where there is no room for a new one.

        Args:
            once: a key and a fingerprint: a record that was added with the key before is returned
                instead, room or not.

        Raises:
            Conflict: it was added with another fingerprint.
        """
        ...

    async def get(self, job_id: str) -> Record | None: ...

    async def update(self, job_id: str, change: Callable[[Record], Record | None]) -> Record | None:
        """Changes a record in one step; `change` may be called again where another was faster.

        Returns:
            The changed record; None where there is none, or `change` returned None.
        """
        ...

    async def due(self, now: float, limit: int, lane: Lane) -> list[str]:
        """Ids of a lane's records that are due, the longest first."""
        ...

    async def defer(self, job_id: str, until: float) -> None:
        """Nobody may take a record, which may be unreadable, before then."""
        ...

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        """The newest first, without those that can't be read; `before` is time and id of the last
        one seen."""
        ...

    async def remove(self, job_id: str) -> None: ...

    async def counts(self) -> dict[str, int]:
        """Jobs by state."""
        ...

    async def oldest_queued(self) -> float | None:
        """When the oldest queued job was created."""
        ...

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        """The present versions of those that there are and can be read."""
        ...


def dump(record: Record) -> bytes:
    return orjson.dumps(record)


def parse(data: bytes) -> Record:
    """A record; what a younger version has added to it is left out, so that a release can be rolled
    back.

    Raises:
        UnreadableRecord
    """
    try:
        document: dict[str, Any] = orjson.loads(data)
        job = document.pop("job")
        job["source"] = _made(Source, job["source"])
        job["progress"] = _made(Progress, job["progress"])
        record: Record = _made(Record, document | {"job": _made(Job, job)})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableRecord("this version can't read what is kept of the job") from error
    if record.job.state not in STATES:
        raise UnreadableRecord(f"this version knows no jobs that are {record.job.state!r}")
    return record


def readable(found: Iterable[bytes]) -> list[Record]:
    """Those records that can be read."""
    records = []
    for data in found:
        try:
            records.append(parse(data))
        except UnreadableRecord as error:
            log.error("unreadable record", reason=str(error), record=data[:200])
    return records


def _made(kind: Any, given: dict[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in given.items() if name in known})
