"""API keys: made once, kept as hashes, each with its scopes.

A key is 256 random bits, which nobody guesses however fast the hash is: SHA-256 is enough, and a
slow one, made for passwords, would only cost every request.
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

log = structlog.get_logger(__name__)

Scope = Literal["images", "videos", "jobs", "stream", "models", "infer", "admin"]
"""What a key is good for; `admin` sees everybody's jobs, and the metrics."""

_KEY = re.compile(r"dfk_([a-z0-9-]{1,40})_[A-Za-z0-9_-]{43}")
_ID = r"^[a-z0-9-]{1,40}$"


class KeyEntry(BaseModel):
    """One key of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=_ID)]
    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    scopes: frozenset[Scope]
    rate: str | None = None
    """Its own rate limit, in place of the general one."""

    @field_validator("rate")
    @classmethod
    def _can_be_read(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse(rate)
        return rate


# A key put where its hash belongs must not reach the log by way of the complaint.
_ENTRIES = TypeAdapter(list[KeyEntry], config=ConfigDict(hide_input_in_errors=True))


def generate(name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """A new key, and its entry for the file as YAML.

    Raises:
        InvalidRequest: a name or scope that can't be.
    """
    if not re.fullmatch(_ID, name):
        raise InvalidRequest("a key's name has 1 to 40 small letters, digits and dashes")
    wanted = sorted(set(scopes))
    unknown = set(wanted) - set(get_args(Scope))
    if unknown or not wanted:
        raise InvalidRequest(f"scopes are among: {', '.join(get_args(Scope))}")
    key = f"dfk_{name}_{secrets.token_urlsafe(32)}"
    entry = [{"id": name, "hash": _hash(key), "scopes": wanted}]
    return key, yaml.safe_dump(entry, sort_keys=False)


class Keys:
    """The keys of a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Raises `ValueError` where the file can't be read or is wrong."""
        self.path = path
        self._entries: dict[str, KeyEntry] = {}
        self._stamp: tuple[int, int] | None = None
        self._reload(strict=True)

    def find(self, key: str | None, scope: Scope) -> KeyEntry:
        """The entry of a key that is good for a scope.

        Raises:
            Unauthorized, Forbidden
        """
        self._reload(strict=False)
        match = _KEY.fullmatch(key or "")
        if match is None:
            raise Unauthorized("an API key is needed: Authorization: Bearer dfk_… or X-API-Key")
        entry = self._entries.get(match[1])
        # Compared also where there is no such entry, so that ids can't be told apart by time.
        known = entry.hash if entry is not None else _hash("")
        if not hmac.compare_digest(known, _hash(match[0])) or entry is None:
            raise Unauthorized("the API key is not known here")
        if scope not in entry.scopes and "admin" not in entry.scopes:
            raise Forbidden(f"the API key has not the scope {scope!r}")
        return entry

    def _reload(self, *, strict: bool) -> None:
        """A file that can't be read leaves the keys as they were, once there are any."""
        stamp = _stamp(self.path)
        if stamp == self._stamp and not strict:
            return
        self._stamp = stamp
        try:
            self._entries = _read(self.path)
        except (OSError, ValueError, yaml.YAMLError) as error:
            if strict:
                raise ValueError(f"{self.path}: {error}") from error
            log.error("the keys stay as they were", path=str(self.path), reason=str(error))


def _read(path: Path) -> dict[str, KeyEntry]:
    entries = _ENTRIES.validate_python(yaml.safe_load(path.read_text()) or [])
    found = {entry.id: entry for entry in entries}
    if len(found) != len(entries):
        raise ValueError("two keys have the same id")
    return found


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def _hash(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
