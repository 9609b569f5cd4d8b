"""`modelServer`: pools of model servers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from deepfake_serving.model_server.settings import Settings
from scripts.chart_values.server_settings import SET_BY_CHART, server_settings
from scripts.chart_values.types import (
    STRICT,
    AnyObject,
    Count,
    CountOrPercent,
    Digest,
    Duration,
    Image,
    Model,
    ObjectName,
    Percent,
    Pod,
    PositiveCount,
    Quantity,
    Resources,
    Seconds,
)

ModelServerOptions = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra=lambda schema: schema.update(
            server_settings(
                Settings,
                {
                    *SET_BY_CHART,
                    *("models", "archives", "digests", "request_timeout_s", "start_timeout_s"),
                    *("probe_port", "tls_certificate", "tls_key", "tls_client_ca"),
                },
            )
        )
    ),
]


@with_config(STRICT)
class PoolScaling(TypedDict, total=False):
    type: Literal["none", "hpa", "keda"]
    minReplicas: Count
    maxReplicas: PositiveCount
    requestsPerReplica: Count
    cpuUtilization: Percent
    scaleUpStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
    scaleDownStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
    cooldownSeconds: Seconds
    fallbackReplicas: Count


@with_config(STRICT)
class Delivery(TypedDict, total=False):
    type: Literal["image", "pvc", "fetch", "imageVolume"]
    claimName: ObjectName
    path: str
    reference: str
    sources: dict[str, Annotated[str, Field(pattern=r"^(https|s3|gs|oci)://")]]
    credentialsSecret: ObjectName
    sizeLimit: Quantity
    resources: Resources


@with_config(STRICT)
class Gpu(TypedDict, total=False):
    resource: Annotated[str, Field(pattern=r"^([a-z0-9.-]+/[A-Za-z0-9._-]+)?$")]
    count: Annotated[int, Field(ge=1, le=16)]


@with_config(STRICT)
class Shadow(TypedDict, total=False):
    enabled: bool
    share: Annotated[float, Field(ge=0, le=1)]


@with_config(STRICT)
class RollingUpdate(TypedDict, total=False):
    maxSurge: CountOrPercent
    maxUnavailable: CountOrPercent


@with_config(STRICT)
class Pool(Pod, total=False):
    models: Annotated[list[Model], Field(min_length=1)]
    image: Image
    replicas: Count
    autoscaling: PoolScaling
    priority: Count
    weight: Count
    maxInFlight: Annotated[int, Field(ge=1, le=100000)]
    shadow: Shadow
    delivery: Delivery
    digests: dict[str, Digest]
    gpu: Gpu
    settings: ModelServerOptions
    requestTimeoutSeconds: Annotated[int, Field(ge=1, le=3600)]
    preStopSeconds: Annotated[int, Field(ge=1, le=600)]
    startTimeoutSeconds: Annotated[int, Field(ge=10, le=3600)]
    deliveryTimeoutSeconds: Annotated[int, Field(ge=30, le=86400)]
    rollingUpdate: RollingUpdate
    kueueQueue: ObjectName


@with_config(STRICT)
class NamedPool(Pool, total=False):
    name: Required[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$")]]


@with_config(STRICT)
class Issuer(TypedDict, total=False):
    name: Required[str]
    kind: str
    group: str


@with_config(STRICT)
class CertManager(TypedDict, total=False):
    issuerRef: Issuer | Annotated[AnyObject, Field(max_length=0)]
    duration: Duration
    renewBefore: Duration


@with_config(STRICT)
class TLS(TypedDict, total=False):
    enabled: bool
    serverSecret: ObjectName
    clientSecret: ObjectName
    certManager: CertManager


@with_config(STRICT)
class ModelServer(TypedDict, total=False):
    defaults: Pool
    tls: TLS
    pools: Annotated[list[NamedPool], Field(min_length=1)]
