"""`monitoring` and `tracing`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, with_config
from typing_extensions import TypedDict

from scripts.chart_values.types import STRICT, ObjectName, Strings


@with_config(STRICT)
class Discovered(TypedDict, total=False):
    enabled: bool
    labels: Strings


@with_config(STRICT)
class PodMonitor(Discovered, total=False):
    interval: Annotated[str, Field(pattern=r"^[0-9]+(s|m)$")]


@with_config(STRICT)
class Probe(PodMonitor, total=False):
    prober: Annotated[str, Field(min_length=1)]
    module: Annotated[str, Field(min_length=1)]
    url: Annotated[str, Field(pattern=r"^(https?://.*)?$")]


@with_config(STRICT)
class Dashboards(Discovered, total=False):
    annotations: Strings


@with_config(STRICT)
class Slo(TypedDict, total=False):
    availabilityPercent: Annotated[float, Field(ge=90, lt=100)]
    imageLatencySeconds: Annotated[float, Field(gt=0)]
    minimumRequestsPerSecond: Annotated[float, Field(ge=0)]


@with_config(STRICT)
class Alerts(TypedDict, total=False):
    jobQueueAgeSeconds: Annotated[int, Field(ge=1)]
    certificateExpirySeconds: Annotated[int, Field(ge=1)]
    scoreDrift: Annotated[float, Field(gt=0, lt=1)]


@with_config(STRICT)
class Prometheus(TypedDict, total=False):
    url: Annotated[str, Field(pattern=r"^https?://")]
    authModes: str
    triggerAuthentication: ObjectName


@with_config(STRICT)
class Monitoring(TypedDict, total=False):
    scrapeAnnotations: bool
    podMonitor: PodMonitor
    probe: Probe
    prometheusRule: Discovered
    dashboards: Dashboards
    slo: Slo
    alerts: Alerts
    runbookUrl: Annotated[str, Field(pattern=r"^https?://")]
    prometheus: Prometheus


@with_config(STRICT)
class Tracing(TypedDict, total=False):
    otlpEndpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")]
    sampleRatio: Annotated[float, Field(ge=0, le=1)]
