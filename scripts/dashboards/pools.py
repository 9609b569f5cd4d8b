"""One pool after the other: who is ready, how full, how fast."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query, Variable
from scripts.dashboards.query import (
    gateway,
    largest,
    model_server,
    quantile,
    rate,
    total,
)

POOL = Variable(
    "pool",
    "Pool",
    'deepfake_ready{namespace=~"$namespace",app_kubernetes_io_instance=~"$instance"}',
    "deepfake_serving_pool",
)
_MINE, _ASKED = 'deepfake_serving_pool=~"$pool"', 'pool=~"$pool"'
_OF, _POD = "deepfake_serving_pool", ("deepfake_serving_pool", "pod")
_PREDICTIONS = 'route!="unmatched",outcome="answered"'
_QUEUE, _IN_FLIGHT = "deepfake_queue_depth", "deepfake_inflight_requests"


def _load(*by: str) -> str:
    waiting = total(model_server(_QUEUE, _MINE), *by)
    return f"{waiting} + {total(model_server(_IN_FLIGHT, _MINE), *by)}"


_REPLICAS = [
    Panel(
        "Replicas as gateways see them",
        "The largest of what gateways count; unhealthy ones get no requests.",
        "none",
        [
            Query(
                largest(gateway("deepfake_replicas", _ASKED), "pool", "state"), "{{pool}} {{state}}"
            )
        ],
    ),
    Panel(
        "Ready",
        "1 when /readyz says so, by pod.",
        "none",
        [Query(largest(model_server("deepfake_ready", _MINE), *_POD), "{{pod}}")],
        most=1,
    ),
    Panel(
        "Workers missing",
        "Workers wanted less workers ready, by pod and model.",
        "none",
        [
            Query(
                f"{model_server('deepfake_workers', _MINE, wanted)} - ignoring (state) "
                f"{model_server('deepfake_workers', _MINE, ready)}",
                "{{pod}} {{model}}",
            )
            for wanted, ready in [('state="wanted"', 'state="ready"')]
        ],
        thresholds=[(1, "red")],
    ),
]

_FILL = [
    Panel(
        "Requests a replica",
        "Waiting and in flight, for each ready model server: what autoscaling looks at.",
        "none",
        [
            Query(
                f"({_load(_OF)}) / {total(model_server('deepfake_ready', _MINE), _OF)}",
                f"{{{{{_OF}}}}}",
            )
        ],
    ),
    Panel(
        "Waiting",
        "Requests that wait for a slot, by pod. Past `max_queue`, clients get 429.",
        "none",
        [Query(total(model_server(_QUEUE, _MINE), *_POD), "{{pod}}")],
    ),
    Panel(
        "In flight",
        "Requests at TorchServe, by pod: evenly spread where balancing works.",
        "none",
        [Query(total(model_server(_IN_FLIGHT, _MINE), *_POD), "{{pod}}")],
    ),
]

_WORK = [
    Panel(
        "Answers",
        "Answers a second of the model servers, by status.",
        "reqps",
        [
            Query(
                total(rate(model_server("deepfake_requests_total", _MINE)), _OF, "code"),
                f"{{{{{_OF}}}}} {{{{code}}}}",
            )
        ],
        stacked=True,
    ),
    Panel(
        "Latency",
        "At the model server: waiting for a place, for a batch, and the prediction.",
        "s",
        [
            Query(
                quantile(
                    q,
                    model_server("deepfake_request_duration_seconds_bucket", _MINE, _PREDICTIONS),
                    _OF,
                ),
                f"{{{{{_OF}}}}} p{q * 100:.0f}",
            )
            for q in (0.5, 0.95, 0.99)
        ],
    ),
    Panel(
        "Lost and asked again",
        "By gateways at another replica, and by model servers at another worker.",
        "reqps",
        [
            Query(
                total(rate(gateway("deepfake_upstream_retries_total", _ASKED)), "pool"),
                "{{pool}} replicas",
            ),
            Query(
                total(rate(model_server("deepfake_upstream_retries_total", _MINE)), _OF),
                f"{{{{{_OF}}}}} workers",
            ),
        ],
    ),
    Panel(
        "Restarts of TorchServe",
        "In the last hour, by pod.",
        "none",
        [
            Query(
                f"increase({model_server('deepfake_torchserve_restarts_total', _MINE)}[1h])",
                "{{pod}}",
            )
        ],
        thresholds=[(1.5, "red")],
    ),
    Panel(
        "Problems",
        "What the model servers answered gateways, by type.",
        "reqps",
        [
            Query(
                total(rate(model_server("deepfake_problems_total", _MINE)), _OF, "type"),
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
