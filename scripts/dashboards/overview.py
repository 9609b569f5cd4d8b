"""The overview for on-call: service level, traffic and capacity."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query
from scripts.dashboards.query import (
    gateway,
    largest,
    model_server,
    quantile,
    rate,
    recorded,
    shared,
    total,
)

_IMAGES = 'route=~"/v1/images|/deepfake[.]v1[.]Detector/DetectImage"'
_BOUNDED = 'route!~".*/(stream|events|DetectStream|WatchJob)"'
_REQUESTS = "deepfake_requests_total"
_BUCKETS = "deepfake_request_duration_seconds_bucket"
_COMPLETED = 'outcome="answered"'
_SUCCESSFUL = 'outcome!~"refused|failed|cancelled"'
_BURN = [(1, "yellow"), (6, "orange"), (14.4, "red")]


def _burn(window: str) -> str:
    """Returns the burn rate: how many times too fast the error budget is spent."""
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
            "Burn rate of the error budget; 1 spends it in a month. 14.4 over an hour and 6 over "
            "six hours page. From the chart's recording rules.",
            "none",
            Query(_burn(window), "{{slo}}"),
            *_BURN,
        )
        for window in ("1h", "6h", "3d")
    ),
    _stat(
        "Errors, 5 min",
        "Share of requests, and of images in batches, with a 5xx status (availability), and of "
        "single images that were too slow.",
        "percentunit",
        Query(recorded("deepfake:slo_errors:ratio_rate5m"), "{{slo}}"),
        (0.001, "yellow"),
        (0.05, "red"),
    ),
    _stat(
        "Gateways",
        "Gateways that Prometheus can scrape.",
        "none",
        Query(total(gateway("up"), "app_kubernetes_io_instance"), "{{app_kubernetes_io_instance}}"),
    ),
    _stat(
        "Healthy replicas",
        "Model servers that are ready and reachable from the gateways, by pool.",
        "none",
        Query(shared(gateway("deepfake_replicas", 'state="healthy"'), "pool"), "{{pool}}"),
    ),
]

_TRAFFIC = [
    Panel(
        "Requests",
        "Responses per second of the gateways, by status. 499: the client disconnected first.",
        "reqps",
        [Query(total(rate(gateway(_REQUESTS)), "code"), "{{code}}")],
        stacked=True,
    ),
    Panel(
        "Results",
        "Results per second, by status: each image of a batch and each frame of a live stream is "
        "one, any other request is one. Availability counts these.",
        "cps",
        [Query(total(rate(gateway("deepfake_results_total")), "code"), "{{code}}")],
        stacked=True,
    ),
    Panel(
        "Latency of images",
        "From the first byte of an image to its verdict, REST and gRPC.",
        "s",
        [
            Query(quantile(q, gateway(_BUCKETS, _IMAGES, _COMPLETED)), f"p{q * 100:.0f}")
            for q in (0.5, 0.95, 0.99)
        ],
    ),
    Panel(
        "Problems",
        "Problems returned to clients per second, by type (docs/problems.md): those of requests, "
        "of images in batches and of frames.",
        "cps",
        [Query(total(rate(gateway("deepfake_problems_total")), "type"), "{{type}}")],
    ),
    Panel(
        "Requests by route",
        "Responses per second.",
        "reqps",
        [Query(total(rate(gateway(_REQUESTS)), "route"), "{{route}}")],
    ),
    Panel(
        "95 % latency by route",
        "Without streams and events, which last until the client disconnects.",
        "s",
        [Query(quantile(0.95, gateway(_BUCKETS, _SUCCESSFUL, _BOUNDED), "route"), "{{route}}")],
    ),
    Panel(
        "Burn over an hour",
        "Burn rate of the error budget; 1 spends it in a month.",
        "none",
        [Query(_burn("1h"), "{{slo}}")],
        thresholds=_BURN,
    ),
]

_CAPACITY = [
    Panel(
        "Ready model servers",
        "Model servers whose /readyz returns 200, by pool.",
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
        "Requests at the model servers. A growing queue means too few replicas.",
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
        "Queued and running. Gateways of a release export the same counts: its maximum.",
        "none",
        [Query(shared(gateway("deepfake_jobs", 'state=~"queued|running"'), "state"), "{{state}}")],
    ),
    Panel(
        "Retries",
        "Predictions retried at another replica, because the first was lost, full or draining.",
        "reqps",
        [Query(total(rate(gateway("deepfake_upstream_retries_total")), "pool"), "{{pool}}")],
    ),
    Panel(
        "Oldest queued job",
        "Time since its submission.",
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
        "Failures of the rate limit store per second. Requests are not limited for five "
        "seconds after each.",
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
    "Service level, traffic and capacity of the selected releases.",
    {"Service level": _SLO, "Traffic": _TRAFFIC, "Capacity": _CAPACITY},
)
