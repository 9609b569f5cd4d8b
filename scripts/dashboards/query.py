"""PromQL of dashboards: series of the selected releases, and aggregations of them.

Counters and histograms are only used through their rate. Quantiles and means are computed from
summed rates, never from other quantiles or means.
"""

from __future__ import annotations

RATE = "$__rate_interval"
RELEASE = ("namespace", "app_kubernetes_io_instance")
_CHOSEN = 'namespace=~"$namespace",app_kubernetes_io_instance=~"$instance"'


def gateway(metric: str, *matchers: str) -> str:
    """Series of the gateways."""
    return recorded(metric, 'app_kubernetes_io_component="gateway"', *matchers)


def worker(metric: str, *matchers: str) -> str:
    """Series of the workers."""
    return recorded(metric, 'app_kubernetes_io_component="worker"', *matchers)


def model_server(metric: str, *matchers: str) -> str:
    """Series of the model servers."""
    return recorded(metric, 'app_kubernetes_io_component="model-server"', *matchers)


def recorded(metric: str, *matchers: str) -> str:
    """Series of any component, or of a recording rule."""
    return f"{metric}{{{','.join((_CHOSEN, *matchers))}}}"


def rate(series: str, over: str = RATE) -> str:
    """Rate of a counter per second."""
    return f"rate({series}[{over}])"


def total(expression: str, *by: str) -> str:
    """Sum by these labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def largest(expression: str, *by: str) -> str:
    """Maximum by these labels."""
    return f"max by ({', '.join(by)}) ({expression})"


def shared(expression: str, *by: str) -> str:
    """Sum over the releases of counts that every gateway of one exports alike."""
    return total(largest(expression, *RELEASE, *by), *by)


def quantile(q: float, buckets: str, *by: str) -> str:
    """Quantile of a histogram, from its buckets."""
    return f"histogram_quantile({q}, {total(rate(buckets), 'le', *by)})"


def mean(histogram: str, *by: str, over: str = RATE) -> str:
    """Mean of a histogram, given as `name{…}`."""
    name, matchers = histogram.split("{", 1)
    sums, counts = f"{name}_sum{{{matchers}", f"{name}_count{{{matchers}"
    return f"{total(rate(sums, over), *by)} / {total(rate(counts, over), *by)}"
