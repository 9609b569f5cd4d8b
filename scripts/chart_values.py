"""What the chart's values may be: makes k8s/helm/deepfake-serving/values.schema.json.

Helm checks values against draft 07 of JSON Schema at every install and upgrade. No key is required,
since values.yaml has them all, and none is taken that is not here: a mistyped one fails with its
path. The settings of servers are the servers' own, less those that the chart itself decides.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Required

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from deepfake_serving.gateway.settings import Settings as GatewaySettings
from deepfake_serving.model_server.settings import Settings as ModelServerSettings
from deepfake_serving.runtime.settings import ServerSettings

_STRICT = ConfigDict(extra="forbid")

Name = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
MaybeDigest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Amount = Quantity | Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, le=1000)]
Some = Annotated[int, Field(ge=1, le=1000)]
Seconds = Annotated[int, Field(ge=0, le=86400)]
Percent = Annotated[int, Field(ge=0, le=100)]
CountOrPercent = Count | Annotated[str, Field(pattern=r"^[0-9]{1,3}%$")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Strings = dict[str, str]
Free = dict[str, Any]
Model = (
    Literal["detector", "faces", "classifier"]
    | Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
)
PullPolicy = Literal["IfNotPresent", "Always", "Never"]


@with_config(_STRICT)
class Image(TypedDict, total=False):
    repository: Annotated[str, Field(pattern=r"^[a-z0-9]([a-zA-Z0-9._:/-]*[a-z0-9])?$")]
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,128}$")]
    digest: MaybeDigest
    pullPolicy: PullPolicy


@with_config(_STRICT)
class Images(TypedDict, total=False):
    modelServer: Image
    gateway: Image


@with_config(_STRICT)
class Resources(TypedDict, total=False):
    requests: dict[str, Amount]
    limits: dict[str, Amount]


@with_config(_STRICT)
class Budget(TypedDict, total=False):
    enabled: bool
    maxUnavailable: CountOrPercent


@with_config(_STRICT)
class Placement(TypedDict, total=False):
    nodeSelector: Strings
    affinity: Free
    tolerations: list[Free]


@with_config(_STRICT)
class Pod(Placement, total=False):
    resources: Resources
    priorityClassName: Name
    topologySpreadConstraints: list[Free]
    podDisruptionBudget: Budget
    podLabels: Strings
    podAnnotations: Strings


@with_config(_STRICT)
class Scaling(TypedDict, total=False):
    minReplicas: Some
    maxReplicas: Some
    cpuUtilization: Percent
    scaleUpStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
    scaleDownStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]


@with_config(_STRICT)
class GatewayScaling(Scaling, total=False):
    type: Literal["none", "hpa"]


@with_config(_STRICT)
class PoolScaling(TypedDict, total=False):
    type: Literal["none", "hpa", "keda"]
    minReplicas: Count
    maxReplicas: Some
    requestsPerReplica: Count
    cpuUtilization: Percent
    scaleUpStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
    scaleDownStabilizationSeconds: Annotated[int, Field(ge=0, le=3600)]
    cooldownSeconds: Seconds
    fallbackReplicas: Count


@with_config(_STRICT)
class WorkerScaling(TypedDict, total=False):
    type: Literal["none", "keda"]
    minReplicas: Count
    maxReplicas: Some
    jobsPerReplica: Some
    cooldownSeconds: Seconds
    fallbackReplicas: Count


@with_config(_STRICT)
class Delivery(TypedDict, total=False):
    type: Literal["image", "pvc", "fetch", "imageVolume"]
    claimName: Name
    path: str
    reference: str
    sources: dict[str, Annotated[str, Field(pattern=r"^(https|s3|gs|oci)://")]]
    credentialsSecret: Name
    sizeLimit: Quantity


@with_config(_STRICT)
class Gpu(TypedDict, total=False):
    resource: Annotated[str, Field(pattern=r"^([a-z0-9.-]+/[A-Za-z0-9._-]+)?$")]
    count: Annotated[int, Field(ge=1, le=16)]


@with_config(_STRICT)
class RollingUpdate(TypedDict, total=False):
    maxSurge: CountOrPercent
    maxUnavailable: CountOrPercent


def _settings(kind: type[ServerSettings], decided: set[str]) -> dict[str, Any]:
    """The schema of a server's settings less those that the chart decides."""
    whole = kind.model_json_schema()
    free = {name: each for name, each in whole["properties"].items() if name not in decided}
    for each in free.values():
        each.pop("title", None)
        each.pop("default", None)
    return {"type": "object", "additionalProperties": False, "properties": free}


_PORTS = {"host", "http_port", "grpc_port", "metrics_port"}
ModelServerFree = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra=lambda schema: schema.update(
            _settings(
                ModelServerSettings,
                {*_PORTS, "models", "archives", "digests", "request_timeout_s", "start_timeout_s"},
            )
        )
    ),
]
GatewayFree = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra=lambda schema: schema.update(
            _settings(
                GatewaySettings,
                {
                    *_PORTS,
                    *("routing", "jobs", "objects", "auth", "keys_file", "webhook_secret"),
                    *("embedded_worker", "worker_jobs", "worker_drain_s", "worker_metrics_port"),
                    "request_timeout_s",
                },
            )
        )
    ),
]


@with_config(_STRICT)
class Pool(Pod, total=False):
    models: Annotated[list[Model], Field(min_length=1)]
    image: Image
    replicas: Count
    autoscaling: PoolScaling
    priority: Count
    weight: Count
    maxInFlight: Annotated[int, Field(ge=1, le=100000)]
    delivery: Delivery
    digests: dict[str, Digest]
    gpu: Gpu
    settings: ModelServerFree
    requestTimeoutSeconds: Annotated[int, Field(ge=1, le=3600)]
    preStopSeconds: Annotated[int, Field(ge=1, le=600)]
    startTimeoutSeconds: Annotated[int, Field(ge=10, le=3600)]
    deliveryTimeoutSeconds: Annotated[int, Field(ge=30, le=86400)]
    rollingUpdate: RollingUpdate
    runtimeClassName: Name


@with_config(_STRICT)
class NamedPool(Pool, total=False):
    name: Required[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$")]]


@with_config(_STRICT)
class ModelServer(TypedDict, total=False):
    defaults: Pool
    pools: Annotated[list[NamedPool], Field(min_length=1)]


@with_config(_STRICT)
class Auth(TypedDict, total=False):
    mode: Literal["keys", "none"]
    existingSecret: Name


@with_config(_STRICT)
class Service(TypedDict, total=False):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    httpPort: PortNumber
    grpcPort: PortNumber
    annotations: Strings


@with_config(_STRICT)
class Ingress(TypedDict, total=False):
    enabled: bool
    className: str
    annotations: Strings
    host: str
    tlsSecret: Name
    grpcHost: str
    grpcAnnotations: Strings


@with_config(_STRICT)
class HttpRoute(TypedDict, total=False):
    enabled: bool
    parentRefs: list[Free]
    hostnames: list[str]
    grpc: bool
    grpcHostnames: list[str]


@with_config(_STRICT)
class Gateway(Pod, total=False):
    replicas: Count
    autoscaling: GatewayScaling
    settings: GatewayFree
    auth: Auth
    webhookSecret: Name
    requestTimeoutSeconds: Annotated[int, Field(ge=1, le=3600)]
    preStopSeconds: Annotated[int, Field(ge=1, le=600)]
    service: Service
    ingress: Ingress
    httpRoute: HttpRoute


@with_config(_STRICT)
class Worker(Pod, total=False):
    replicas: Count
    autoscaling: WorkerScaling
    jobs: Annotated[int, Field(ge=1, le=64)]
    drainSeconds: Annotated[int, Field(ge=0, le=3600)]
    scratchSize: Quantity


@with_config(_STRICT)
class Redis(Placement, total=False):
    enabled: bool
    existingSecret: Name
    image: Image
    command: list[str]
    size: Quantity
    storageClassName: str
    resources: Resources
    externalUrl: Annotated[str, Field(pattern=r"^(rediss?://.+)?$")]
    externalUrlSecret: Name


@with_config(_STRICT)
class Volume(TypedDict, total=False):
    existingClaim: Name
    size: Quantity
    storageClassName: str
    accessMode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]


@with_config(_STRICT)
class S3(TypedDict, total=False):
    url: Annotated[str, Field(pattern=r"^(s3://.+)?$")]
    region: str
    endpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")]
    allowHttp: bool
    credentialsSecret: Name


@with_config(_STRICT)
class Media(TypedDict, total=False):
    type: Literal["volume", "s3"]
    volume: Volume
    s3: S3


@with_config(_STRICT)
class ServiceAccount(TypedDict, total=False):
    create: bool
    name: Name
    annotations: Strings


@with_config(_STRICT)
class NetworkPolicy(TypedDict, total=False):
    enabled: bool
    gatewayFrom: list[Free]
    metricsFrom: list[Free]
    dns: list[Free]
    fetchExcept: list[Annotated[str, Field(pattern=r"^[0-9.]+/[0-9]{1,2}$")]]
    gatewayEgress: list[Free]
    modelServerEgress: list[Free]


@with_config(_STRICT)
class Discovered(TypedDict, total=False):
    enabled: bool
    labels: Strings


@with_config(_STRICT)
class PodMonitor(Discovered, total=False):
    interval: Annotated[str, Field(pattern=r"^[0-9]+(s|m)$")]


@with_config(_STRICT)
class Dashboards(Discovered, total=False):
    annotations: Strings


@with_config(_STRICT)
class Slo(TypedDict, total=False):
    availabilityPercent: Annotated[float, Field(ge=90, lt=100)]
    imageLatencySeconds: Annotated[float, Field(gt=0)]
    minimumRequestsPerSecond: Annotated[float, Field(ge=0)]


@with_config(_STRICT)
class Alerts(TypedDict, total=False):
    jobQueueAgeSeconds: Annotated[int, Field(ge=1)]
    scoreDrift: Annotated[float, Field(gt=0, lt=1)]


@with_config(_STRICT)
class Prometheus(TypedDict, total=False):
    url: Annotated[str, Field(pattern=r"^https?://")]


@with_config(_STRICT)
class Monitoring(TypedDict, total=False):
    scrapeAnnotations: bool
    podMonitor: PodMonitor
    prometheusRule: Discovered
    dashboards: Dashboards
    slo: Slo
    alerts: Alerts
    runbookUrl: Annotated[str, Field(pattern=r"^https?://")]
    prometheus: Prometheus


@with_config(_STRICT)
class Tracing(TypedDict, total=False):
    otlpEndpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")]
    sampleRatio: Annotated[float, Field(ge=0, le=1)]


@with_config(_STRICT)
class Tests(TypedDict, total=False):
    enabled: bool


@with_config(_STRICT)
class Values(TypedDict, total=False):
    nameOverride: Name
    fullnameOverride: Name
    commonLabels: Strings
    imagePullSecrets: list[str]
    image: Images
    modelServer: ModelServer
    gateway: Gateway
    worker: Worker
    redis: Redis
    media: Media
    serviceAccount: ServiceAccount
    networkPolicy: NetworkPolicy
    monitoring: Monitoring
    tracing: Tracing
    tests: Tests


def schema() -> str:
    """The schema as JSON text."""
    made = TypeAdapter(Values).json_schema()
    made["properties"]["global"] = {"type": "object"}  # Helm's own, for charts within charts
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    text = json.dumps({**head, **_untitled(made)}, indent=1)
    return text.replace('"#/$defs/', '"#/definitions/').replace('"$defs":', '"definitions":') + "\n"


def _untitled(node: Any) -> Any:
    """Without the titles that pydantic makes up."""
    if isinstance(node, dict):
        return {
            key: _untitled(each)
            for key, each in node.items()
            if not (key == "title" and isinstance(each, str))
        }
    return [_untitled(each) for each in node] if isinstance(node, list) else node


if __name__ == "__main__":
    print(schema(), end="")
