"""Settings of resumable uploads."""

from __future__ import annotations

from pydantic import Field

from deepfake_serving.runtime.settings import ServerSettings


class UploadSettings(ServerSettings):
    """Limits of resumable uploads (docs/gateway.md#resumable-uploads)."""

    max_uploads: int = Field(
        64,
        ge=1,
        le=10_000,
        description="Maximum number of resumable uploads that are open; past it, 429.",
    )
    max_uploads_bytes: int = Field(
        16 * 2**30,
        ge=1024,
        description="Maximum length of all open resumable uploads together; past it, 429.",
    )
    upload_expire_hours: float = Field(
        24.0,
        gt=0,
        le=24 * 30,
        description="A resumable upload is deleted this long after its creation.",
    )
