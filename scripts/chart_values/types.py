"""Value types that several parts of the chart share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

STRICT = ConfigDict(extra="forbid")

Name = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]
ObjectName = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$")]
"""Name of a Secret, claim, class or account: a DNS subdomain, such as `example.com-tls`."""
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
MaybeDigest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Amount = Quantity | Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, le=1000)]
PositiveCount = Annotated[int, Field(ge=1, le=1000)]
Seconds = Annotated[int, Field(ge=0, le=86400)]
Percent = Annotated[int, Field(ge=0, le=100)]
CountOrPercent = Count | Annotated[str, Field(pattern=r"^[0-9]{1,3}%$")]
Cidr = Annotated[str, Field(pattern=r"^([0-9.]+/[0-9]{1,2}|[0-9a-f:.]+/[0-9]{1,3})$")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Duration = Annotated[str, Field(pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")]  # GEP-2257
Strings = dict[str, str]
AnyObject = dict[str, Any]
Model = (
    Literal["detector", "faces", "classifier"]
    | Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
)
PullPolicy = Literal["IfNotPresent", "Always", "Never"]


@with_config(STRICT)
class Image(TypedDict, total=False):
    repository: Annotated[str, Field(pattern=r"^[a-z0-9]([a-zA-Z0-9._:/-]*[a-z0-9])?$")]
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,128}$")]
    digest: MaybeDigest
    pullPolicy: PullPolicy


@with_config(STRICT)
class Resources(TypedDict, total=False):
    requests: dict[str, Amount]
    limits: dict[str, Amount]
    claims: list[AnyObject]


@with_config(STRICT)
class Budget(TypedDict, total=False):
    enabled: bool
    maxUnavailable: CountOrPercent


@with_config(STRICT)
class Enabled(TypedDict, total=False):
    enabled: bool


@with_config(STRICT)
class Placement(TypedDict, total=False):
    nodeSelector: Strings
    affinity: AnyObject
    tolerations: list[AnyObject]
    priorityClassName: ObjectName
    podLabels: Strings
    podAnnotations: Strings


@with_config(STRICT)
class Extras(TypedDict, total=False):
    extraEnv: list[AnyObject]
    extraEnvFrom: list[AnyObject]
    extraVolumes: list[AnyObject]
    extraVolumeMounts: list[AnyObject]
    extraContainers: list[AnyObject]
    initContainers: list[AnyObject]
    serviceAccountName: ObjectName
    runtimeClassName: ObjectName
    hostAliases: list[AnyObject]
    dnsPolicy: Literal["", "ClusterFirst", "Default", "None"]
    dnsConfig: AnyObject
    resourceClaims: list[AnyObject]


@with_config(STRICT)
class Pod(Placement, Extras, total=False):
    resources: Resources
    topologySpreadConstraints: list[AnyObject]
    podDisruptionBudget: Budget


@with_config(STRICT)
class Scaling(TypedDict, total=False):
    minReplicas: PositiveCount
    maxReplicas: PositiveCount
    cpuUtilization: Annotated[int, Field(ge=1, le=100)]
    scaleUpStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
    scaleDownStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
