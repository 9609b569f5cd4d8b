"""`redis` and `media`: where jobs and their media are stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from scripts.chart_values.types import (
    STRICT,
    Enabled,
    Image,
    ObjectName,
    Placement,
    Quantity,
    Resources,
)


@with_config(STRICT)
class Exporter(TypedDict, total=False):
    enabled: bool
    image: Image
    resources: Resources


@with_config(STRICT)
class Redis(Placement, total=False):
    enabled: bool
    existingSecret: ObjectName
    image: Image
    command: Annotated[list[str], Field(min_length=1)]
    size: Quantity
    storageClassName: str
    resources: Resources
    externalUrl: Annotated[str, Field(pattern=r"^(rediss?(\+sentinel|\+cluster)?://.+)?$")]
    externalUrlSecret: ObjectName
    podDisruptionBudget: Enabled
    exporter: Exporter


@with_config(STRICT)
class Volume(TypedDict, total=False):
    existingClaim: ObjectName
    size: Quantity
    storageClassName: str
    accessMode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]


@with_config(STRICT)
class S3(TypedDict, total=False):
    url: Annotated[str, Field(pattern=r"^(s3://.+)?$")]
    region: str
    endpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")]
    allowHttp: bool
    credentialsSecret: ObjectName


@with_config(STRICT)
class Media(TypedDict, total=False):
    type: Literal["volume", "s3"]
    volume: Volume
    s3: S3
