"""Model servers by pool: readiness, load and latency."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query, Variable
from scripts.dashboards.query import (
    gateway,
    largest,
    model_server,
    quantile,
    rate,
    shared,
    total,
)

POOL = Variable(
    "pool",
    "Pool",
    'deepfake_ready{namespace=~"$namespace",app_kubernetes_io_instance=~"$instance"}',
    "deepfake_serving_pool",
)
_POOL, _GATEWAY_POOL = 'deepfake_serving_pool=~"$pool"', 'pool=~"$pool"'
_OF, _POD = "deepfake_serving_pool", ("deepfake_serving_pool", "pod")
_PREDICTIONS = 'route!="unmatched",outcome="answered"'
_QUEUE, _IN_FLIGHT = "deepfake_queue_depth", "deepfake_inflight_requests"


def _load(*by: str) -> str:
    waiting = total(model_server(_QUEUE, _POOL), *by)
    return f"{waiting} + {total(model_server(_IN_FLIGHT, _POOL), *by)}"


_REPLICAS = [
    Panel(
        "Replicas seen by gateways",
        "Maximum over the gateways of a release. Unhealthy replicas get no requests.",
        "none",
        [
            Query(
                shared(gateway("deepfake_replicas", _GATEWAY_POOL), "pool", "state"),
                "{{pool}} {{state}}",
            )
        ],
    ),
    Panel(
        "Ready",
        "1 if /readyz returns 200, by pod.",
        "none",
        [Query(largest(model_server("deepfake_ready", _POOL), *_POD), "{{pod}}")],
        maximum=1,
    ),
    Panel(
        "Workers missing",
        "Configured minus ready workers, by pod and model.",
        "none",
        [
            Query(
                f"{model_server('deepfake_workers', _POOL, wanted)} - ignoring (state) "
                f"{model_server('deepfake_workers', _POOL, ready)}",
                "{{pod}} {{model}}",
            )
            for wanted, ready in [('state="wanted"', 'state="ready"')]
        ],
        thresholds=[(1, "red")],
    ),
]

_FILL = [
    Panel(
        "Requests per replica",
        "Waiting and in flight, per ready model server. Autoscaling uses this value.",
        "none",
        [
            Query(
                f"({_load(_OF)}) / {total(model_server('deepfake_ready', _POOL), _OF)}",
                f"{{{{{_OF}}}}}",
            )
        ],
    ),
    Panel(
        "Waiting",
        "Requests that wait for a slot, by pod. Past `max_queue`, clients get 429.",
        "none",
        [Query(total(model_server(_QUEUE, _POOL), *_POD), "{{pod}}")],
    ),
    Panel(
        "In flight",
        "Requests in flight at TorchServe, by pod: evenly spread if balancing works.",
        "none",
        [Query(total(model_server(_IN_FLIGHT, _POOL), *_POD), "{{pod}}")],
    ),
]

_WORK = [
    Panel(
        "Responses",
        "Responses per second of the model servers, by status.",
        "reqps",
        [
            Query(
                total(rate(model_server("deepfake_requests_total", _POOL)), _OF, "code"),
                f"{{{{{_OF}}}}} {{{{code}}}}",
            )
        ],
        stacked=True,
    ),
    Panel(
        "Latency",
        "At the model server: waiting for a slot and for a batch, and the prediction.",
        "s",
        [
            Query(
                quantile(
                    q,
                    model_server("deepfake_request_duration_seconds_bucket", _POOL, _PREDICTIONS),
                    _OF,
                ),
                f"{{{{{_OF}}}}} p{q * 100:.0f}",
            )
            for q in (0.5, 0.95, 0.99)
        ],
    ),
    Panel(
        "Retries and hedges",
        "Lost predictions retried by gateways at another replica, by model servers at another "
        "worker; slow images sent to a second replica as well (`hedge_share`).",
        "reqps",
        [
            Query(
                total(rate(gateway("deepfake_upstream_retries_total", _GATEWAY_POOL)), "pool"),
                "{{pool}} replicas",
            ),
            Query(
                total(rate(model_server("deepfake_upstream_retries_total", _POOL)), _OF),
                f"{{{{{_OF}}}}} workers",
            ),
            Query(
                total(
                    rate(gateway("deepfake_upstream_hedges_total", _GATEWAY_POOL)), "pool", "first"
                ),
                "{{pool}} hedged, {{first}} won",
            ),
        ],
    ),
    Panel(
        "Restarts of TorchServe and workers",
        "In the last hour, by pod: of Java, and of workers that ended by themselves.",
        "none",
        [
            Query(
                f"increase({model_server('deepfake_torchserve_restarts_total', _POOL)}[1h])",
                "{{pod}}",
            ),
            Query(
                f"increase({model_server('deepfake_workers_lost_total', _POOL)}[1h])",
                "{{pod}} {{model}}",
            ),
        ],
        thresholds=[(1.5, "red")],
    ),
    Panel(
        "Problems",
        "Problems returned to gateways, by type.",
        "reqps",
        [
            Query(
                total(rate(model_server("deepfake_problems_total", _POOL)), _OF, "type"),
                f"{{{{{_OF}}}}} {{{{type}}}}",
            )
        ],
    ),
]

POOLS = Dashboard(
    "deepfake-pools",
    "Deepfake serving / Pools",
    "Model servers by pool.",
    {"Replicas": _REPLICAS, "Load": _FILL, "Work": _WORK},
    (POOL,),
)
