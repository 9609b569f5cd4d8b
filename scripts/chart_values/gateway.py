"""`gateway` and `worker`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.gateway.settings import Settings
from scripts.chart_values.server_settings import SET_BY_CHART, server_settings
from scripts.chart_values.types import (
    STRICT,
    AnyObject,
    Count,
    Duration,
    ObjectName,
    Pod,
    PortNumber,
    PositiveCount,
    Quantity,
    Scaling,
    Seconds,
    Strings,
)

GatewayOptions = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra=lambda schema: schema.update(
            server_settings(
                Settings,
                {
                    *SET_BY_CHART,
                    *("routing", "jobs", "objects", "auth", "keys_file", "webhook_secret"),
                    *("upstream_ca", "upstream_certificate", "upstream_key"),
                    *("embedded_worker", "worker_jobs", "worker_drain_s", "worker_metrics_port"),
                    "request_timeout_s",
                },
            )
        )
    ),
]

NodePort = Annotated[int, Field(ge=0, le=65535)]
"""A port of every node; 0: the cluster chooses it."""


@with_config(STRICT)
class GatewayScaling(Scaling, total=False):
    type: Literal["none", "hpa"]


@with_config(STRICT)
class WorkerScaling(TypedDict, total=False):
    type: Literal["none", "keda"]
    minReplicas: Count
    maxReplicas: PositiveCount
    jobsPerReplica: PositiveCount
    cooldownSeconds: Seconds
    fallbackReplicas: Count


@with_config(STRICT)
class Auth(TypedDict, total=False):
    mode: Literal["keys", "none"]
    existingSecret: ObjectName


@with_config(STRICT)
class Service(TypedDict, total=False):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    httpPort: PortNumber
    grpcPort: PortNumber
    httpNodePort: NodePort
    grpcNodePort: NodePort
    annotations: Strings
    externalTrafficPolicy: Literal["", "Cluster", "Local"]
    loadBalancerClass: str
    loadBalancerSourceRanges: list[str]
    ipFamilyPolicy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"]
    ipFamilies: list[Literal["IPv4", "IPv6"]]


@with_config(STRICT)
class Ingress(TypedDict, total=False):
    enabled: bool
    className: str
    controller: Literal["", "nginx", "traefik", "haproxy"]
    annotations: Strings
    host: str
    tlsSecret: ObjectName
    grpcHost: str
    grpcAnnotations: Strings


@with_config(STRICT)
class RouteTimeouts(TypedDict, total=False):
    request: Duration
    backendRequest: Duration


@with_config(STRICT)
class HttpRoute(TypedDict, total=False):
    enabled: bool
    parentRefs: list[AnyObject]
    hostnames: list[str]
    timeouts: RouteTimeouts
    grpc: bool
    grpcHostnames: list[str]


@with_config(STRICT)
class Gateway(Pod, total=False):
    replicas: Count
    autoscaling: GatewayScaling
    settings: GatewayOptions
    ensembles: list[EnsembleSpec]
    auth: Auth
    webhookSecret: ObjectName
    requestTimeoutSeconds: Annotated[int, Field(ge=1, le=3600)]
    preStopSeconds: Annotated[int, Field(ge=1, le=600)]
    service: Service
    ingress: Ingress
    httpRoute: HttpRoute


@with_config(STRICT)
class Worker(Pod, total=False):
    replicas: Count
    autoscaling: WorkerScaling
    jobs: Annotated[int, Field(ge=1, le=64)]
    drainSeconds: Annotated[int, Field(ge=0, le=3600)]
    scratchSize: Quantity
