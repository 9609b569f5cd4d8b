"""Idempotency keys of submissions: which requests are the same one."""

from __future__ import annotations

import hashlib

import orjson

from deepfake_serving.contracts.jobs import VIDEO, Source
from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.jobs.requests import Request, chosen_options

Idempotency = tuple[str, str]
"""A key of an owner, and a fingerprint of the whole request."""

_UPLOAD = "upload:"


class RequestKeys:
    """The keys of a request: the one that the client chose, and that of a resumable upload.

    An upload becomes one job, so its id is a key, too. The key that a client chose stands for the
    content, however often and in whichever way it is sent.
    """

    def __init__(self, request: Request, kind: str, owner: Principal) -> None:
        """
        Raises:
            InvalidRequest: the client's key is too long or empty.
        """
        self._chosen, self._owner = request.idempotency_key, owner.id or ""
        self._options = [chosen_options(request), *([] if kind == VIDEO else [kind])]
        if self._chosen is not None and not 0 < len(self._chosen) <= 200:
            raise InvalidRequest("an Idempotency-Key has 1 to 200 characters")

    def chosen(self, source: Source) -> Idempotency | None:
        """Returns the client's key with the URL or the digest of the media; None without one."""
        return self._by_client(source.url or source.digest)

    def of_upload(self, upload: str) -> Idempotency:
        """Returns the key of an upload."""
        return self._key(_UPLOAD + upload, _UPLOAD + upload)

    def chosen_before(self, upload: str) -> Idempotency | None:
        """Returns the client's key as earlier versions stored it, with the id of the upload."""
        return self._by_client(_UPLOAD + upload)

    def _by_client(self, media: str | None) -> Idempotency | None:
        return None if self._chosen is None else self._key(self._chosen, media)

    def _key(self, key: str, media: str | None) -> Idempotency:
        fingerprint = orjson.dumps([media, *self._options], option=orjson.OPT_SORT_KEYS)
        return f"{self._owner}:{key}", hashlib.sha256(fingerprint).hexdigest()
