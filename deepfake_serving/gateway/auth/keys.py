"""API keys, stored as hashes, each with its scopes.

A key has 256 random bits and can't be guessed, however fast the hash is. So SHA-256 is enough; a
slow password hash would only add latency to every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

import structlog
import yaml
from limits import parse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from deepfake_serving.contracts.problems import Forbidden, InvalidRequest, Unauthorized
from deepfake_serving.contracts.reasons import reason_of
from deepfake_serving.gateway.auth.usage import NO_QUOTA, Quota

log = structlog.get_logger(__name__)

Scope = Literal["images", "videos", "jobs", "stream", "models", "infer", "admin"]
"""The operations that a key permits; `admin` sees all jobs and the metrics."""

_KEY = re.compile(r"dfk_([a-z0-9-]{1,40})_[A-Za-z0-9_-]{43}")
_ID = r"^[a-z0-9-]{1,40}$"


class KeyEntry(BaseModel):
    """One entry of the key file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=_ID)]
    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    scopes: frozenset[Scope]
    rate: str | None = None
    """The key's own rate limit, which replaces the default one."""
    max_queued: Annotated[int, Field(ge=0)] | None = None
    """Jobs of the key that may be queued at once; half of the queue by default."""
    max_streams: Annotated[int, Field(ge=0)] | None = None
    """Live streams of the key that may be open at once; half of all by default."""
    daily: Quota = NO_QUOTA
    """Quotas of each day (UTC); none by default."""

    def check_scope(self, scope: Scope) -> None:
        """
        Raises:
            Forbidden: the key lacks the scope.
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(f"the API key lacks the scope {scope!r}")

    @field_validator("rate")
    @classmethod
    def _check_rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse(rate)
        return rate


# An error must not show its input, which may be a key in place of its hash.
_ENTRIES = TypeAdapter(list[KeyEntry], config=ConfigDict(hide_input_in_errors=True))


def generate(name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """Generates a key; returns it, and its entry for the key file as YAML.

    Raises:
        InvalidRequest: an invalid name or an unknown scope.
    """
    if not re.fullmatch(_ID, name):
        raise InvalidRequest("a key's name has 1 to 40 small letters, digits and dashes")
    requested = sorted(set(scopes))
    unknown = set(requested) - set(get_args(Scope))
    if unknown or not requested:
        raise InvalidRequest(f"scopes are among: {', '.join(get_args(Scope))}")
    key = f"dfk_{name}_{secrets.token_urlsafe(32)}"
    entry = [{"id": name, "hash": _hash(key), "scopes": requested}]
    return key, yaml.safe_dump(entry, sort_keys=False)


class Keys:
    """The keys of a file, which is reloaded when it changes."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ValueError: the file can't be read or is invalid.
        """
        self.path = path
        self._entries: dict[str, KeyEntry] = {}
        self._stamp: tuple[int, ...] | None = None
        self._reload(strict=True)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[KeyEntry]:
        """Returns all entries."""
        self._reload(strict=False)
        return list(self._entries.values())

    def find(self, key: str | None) -> KeyEntry:
        """Returns the entry of a key.

        Raises:
            Unauthorized
        """
        self._reload(strict=False)
        if not key:
            raise Unauthorized("an API key is required: Authorization: Bearer dfk_… or X-API-Key")
        match = _KEY.fullmatch(key)
        if match is None:
            raise Unauthorized(
                "the API key is malformed: a key is dfk_, a name, _ and 43 characters"
            )
        entry = self._entries.get(match[1])
        # Compares also where the id is unknown, so that timing does not reveal which ids exist.
        expected = entry.hash if entry is not None else _hash("")
        if not hmac.compare_digest(expected, _hash(match[0])) or entry is None:
            raise Unauthorized("the API key is unknown")
        return entry

    def _reload(self, *, strict: bool) -> None:
        """Reloads a changed file. Unless `strict`, an invalid one leaves the loaded keys in use."""
        stamp = _stamp(self.path)
        if stamp == self._stamp and not strict:
            return
        self._stamp = stamp
        try:
            self._entries = _read(self.path)
        except (OSError, ValueError, yaml.YAMLError) as error:
            if strict:
                raise ValueError(f"{self.path}: {reason_of(error)}") from error
            log.error("key file not reloaded", path=str(self.path), reason=str(error))


def _read(path: Path) -> dict[str, KeyEntry]:
    entries = _ENTRIES.validate_python(yaml.safe_load(path.read_text()) or [])
    by_id = {entry.id: entry for entry in entries}
    if len(by_id) != len(entries):
        raise ValueError("two keys have the same id")
    return by_id


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Returns what differs after a change. A file that is read while it is written may change again
    within one tick of the clock by which modifications are dated: only its size shows it."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _hash(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
