"""Statements of a file about its own origin. None of them changes a score.

Content credentials are C2PA manifests (https://spec.c2pa.org), signed statements of cameras and
editors. Everything else is unsigned metadata, which anyone can write or remove.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

CredentialState = Literal["trusted", "valid", "invalid"]
"""trusted: intact, and signed by a certificate of the configured list. valid: intact, but by a
certificate that the list does not name. invalid: changed after it was signed, or badly signed."""

Contradiction = Literal["invalid_credentials", "source_types_differ", "camera_of_generated_image"]
"""Statements that do not fit together: see docs/gateway.md."""


@dataclass(frozen=True, slots=True)
class CredentialAction:
    """A step in the making of a file, e.g. `c2pa.created` or `c2pa.edited`.

    `source_type` is a term of IPTC's digital source types, e.g. `trainedAlgorithmicMedia`.
    """

    action: str
    software: str | None = None
    source_type: str | None = None
    when: str | None = None


@dataclass(frozen=True, slots=True)
class ContentCredentials:
    """A file's active C2PA manifest.

    `failures` are the status codes of the validation, `ingredients` the titles of files that were
    used.
    """

    state: CredentialState
    signer: str | None
    signer_name: str | None
    signed_at: str | None
    generator: str | None
    actions: list[CredentialAction] = field(default_factory=list)
    ingredients: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The provenance of one file.

    `unread` says why content credentials or metadata could not be read, if so. `source_type` is the
    IPTC digital source type of XMP; `software`, `camera` and `taken_at` are of EXIF or XMP.
    """

    sha256: str
    credentials: ContentCredentials | None = None
    software: str | None = None
    camera: str | None = None
    taken_at: str | None = None
    source_type: str | None = None
    contradictions: list[Contradiction] = field(default_factory=list)
    unread: str | None = None
