"""All values of the chart."""

from __future__ import annotations

from pydantic import with_config
from typing_extensions import TypedDict

from scripts.chart_values.gateway import Gateway, Worker
from scripts.chart_values.model_server import ModelServer
from scripts.chart_values.monitoring import Monitoring, Tracing
from scripts.chart_values.storage import Media, Redis
from scripts.chart_values.types import (
    STRICT,
    AnyObject,
    Cidr,
    Image,
    Name,
    ObjectName,
    Placement,
    PortNumber,
    Resources,
    Strings,
)


@with_config(STRICT)
class PullSecret(TypedDict):
    name: ObjectName


@with_config(STRICT)
class Images(TypedDict, total=False):
    modelServer: Image
    modelServerCuda: Image
    gateway: Image


@with_config(STRICT)
class ServiceAccount(TypedDict, total=False):
    create: bool
    name: ObjectName
    annotations: Strings


@with_config(STRICT)
class NetworkPolicy(TypedDict, total=False):
    enabled: bool
    gatewayFrom: list[AnyObject]
    metricsFrom: list[AnyObject]
    dns: list[AnyObject]
    dnsCidrs: list[Cidr]
    dnsPorts: list[PortNumber]
    nodeCidrs: list[Cidr]
    cilium: bool
    publicEgress: bool
    fetchExcept: list[Cidr]
    gatewayEgress: list[AnyObject]
    modelServerEgress: list[AnyObject]
    podIngress: list[AnyObject]
    podEgress: list[AnyObject]


@with_config(STRICT)
class Tests(Placement, total=False):
    enabled: bool
    resources: Resources


@with_config(STRICT)
class Values(TypedDict, total=False):
    nameOverride: Name
    fullnameOverride: Name
    commonLabels: Strings
    imagePullSecrets: list[ObjectName | PullSecret]
    imageRegistry: str
    podSecurityContext: AnyObject
    containerSecurityContext: AnyObject
    extraObjects: list[AnyObject]
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
