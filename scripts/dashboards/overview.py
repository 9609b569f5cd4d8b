"""For whoever is paged: is it us, what is it, where does it come from."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query
from scripts.dashboards.query import (
    gateway,
    largest,
    model_server,
    quantile,
    rate,
    recorded,
    total,
)

_IMAGES = 'route=~"/v1/images|/deepfake[.]v1[.]Detector/DetectImage"'
_REQUESTS = "deepfake_requests_total"
_BUCKETS = "deepfake_request_duration_seconds_bucket"
_ANSWERED = 'outcome="answered"'
_BURN = [(1, "yellow"), (6, "orange"), (14.4, "red")]


def _burn(window: str) -> str:
    """How many times too fast the budget is spent."""
    errors = recorded(f"deepfake:slo_errors:ratio_rate{window}")
    objective = recorded("deepfake:slo_objective:ratio")
    return f"{errors} / (1 - {objective})"


def _stat(
    title: str, description: str, unit: str, query: Query, *steps: tuple[float, str]
) -> Panel:
    return Panel(title, description, unit, [query], "stat", width=4, height=4, thresholds=steps)


_SLO = [
    *(
        _stat(
            f"Burn, {window}",
            "Error budget spent, in multiples of what lasts a month; 14.4 over an hour and 6 over "
            "six are paged. From the chart's recording rules.",
            "none",
            Query(_burn(window), "{{slo}}"),
            *_BURN,
        )
        for window in ("1h", "6h", "3d")
    ),
    _stat(
        "Errors, 5 min",
        "Share of requests answered with 5xx (availability), and of images that were too slow.",
        "percentunit",
        Query(recorded("deepfake:slo_errors:ratio_rate5m"), "{{slo}}"),
        (0.001, "yellow"),
        (0.05, "red"),
    ),
    _stat(
        "Gateways",
        "Gateways that answer Prometheus.",
        "none",
        Query(total(gateway("up"), "app_kubernetes_io_instance"), "{{app_kubernetes_io_instance}}"),
    ),
    _stat(
        "Healthy replicas",
        "Model servers that gateways reach and that are ready, by pool.",
        "none",
        Query(largest(gateway("deepfake_replicas", 'state="healthy"'), "pool"), "{{pool}}"),
    ),
]

_TRAFFIC = [
    Panel(
        "Requests",
        "Answers a second at the gateways, by status; 499: the caller hung up first.",
        "reqps",
        [Query(total(rate(gateway(_REQUESTS)), "code"), "{{code}}")],
        stacked=True,
    ),
    Panel(
        "Latency of images",
        "From the first byte of a picture to its verdict, REST and gRPC.",
        "s",
        [
            Query(quantile(q, gateway(_BUCKETS, _IMAGES, _ANSWERED)), f"p{q * 100:.0f}")
            for q in (0.5, 0.95, 0.99)
        ],
    ),
    Panel(
        "Problems",
        "What callers were told, by type (docs/problems.md).",
        "reqps",
        [Query(total(rate(gateway("deepfake_problems_total")), "type"), "{{type}}")],
    ),
    Panel(
        "Requests by route",
        "Answers a second.",
        "reqps",
        [Query(total(rate(gateway(_REQUESTS)), "route"), "{{route}}")],
    ),
    Panel(
        "95 % latency by route",
        "Streams and events last as long as their callers stay.",
        "s",
        [Query(quantile(0.95, gateway(_BUCKETS, _ANSWERED), "route"), "{{route}}")],
    ),
    Panel(
        "Burn over an hour",
        "Error budget spent, in multiples of what lasts a month.",
        "none",
        [Query(_burn("1h"), "{{slo}}")],
        thresholds=_BURN,
    ),
]

_ROOM = [
    Panel(
        "Ready model servers",
        "Model servers whose /readyz says yes, by pool.",
        "none",
        [
            Query(
                total(model_server("deepfake_ready"), "deepfake_serving_pool"),
                "{{deepfake_serving_pool}}",
            )
        ],
    ),
    Panel(
        "Waiting and in flight",
        "Requests at the model servers; what waits grows where there are too few.",
        "none",
        [
            Query(
                total(model_server(metric), "deepfake_serving_pool"),
                f"{{{{deepfake_serving_pool}}}} {what}",
            )
            for metric, what in (
                ("deepfake_queue_depth", "waiting"),
                ("deepfake_inflight_requests", "in flight"),
            )
        ],
    ),
    Panel(
        "Jobs",
        "Queued and running; every gateway tells the same, so that this is the largest.",
        "none",
        [Query(largest(gateway("deepfake_jobs", 'state=~"queued|running"'), "state"), "{{state}}")],
    ),
    Panel(
        "Asked again",
        "Predictions that went to another replica, since the first was lost, full or draining.",
        "reqps",
        [Query(total(rate(gateway("deepfake_upstream_retries_total")), "pool"), "{{pool}}")],
    ),
    Panel(
        "Oldest queued job",
        "Since its submission.",
        "s",
        [
            Query(
                largest(gateway("deepfake_job_queue_age_seconds"), "app_kubernetes_io_instance"),
                "{{app_kubernetes_io_instance}}",
            )
        ],
    ),
    Panel(
        "Rate limits not counted",
        "Failures of the counter a second; for five seconds after each, requests pass.",
        "reqps",
        [
            Query(
                total(rate(gateway("deepfake_rate_limit_failures_total")), "pod"),
                "{{pod}}",
            )
        ],
    ),
]

OVERVIEW = Dashboard(
    "deepfake-overview",
    "Deepfake serving / Overview",
    "Service level, traffic and room of the chosen releases.",
    {"Service level": _SLO, "Traffic": _TRAFFIC, "Room": _ROOM},
)
