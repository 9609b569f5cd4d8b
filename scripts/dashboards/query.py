"""PromQL of dashboards: series of the releases that are chosen, and what is made of them.

Counters and histograms are only ever read through their rate, and a quantile or a mean is made of
summed rates, never of other quantiles or means.
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
    """A second, of a counter."""
    return f"rate({series}[{over}])"


def total(expression: str, *by: str) -> str:
    """Summed over all but these labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def largest(expression: str, *by: str) -> str:
    """The largest for each of these labels: for what every gateway tells alike."""
    return f"max by ({', '.join(by)}) ({expression})"


def quantile(q: float, buckets: str, *by: str) -> str:
    """Of a histogram, by its buckets; `le` is summed by too."""
    return f"histogram_quantile({q}, {total(rate(buckets), 'le', *by)})"


def mean(histogram: str, *by: str, over: str = RATE) -> str:
    """Of a histogram, given as `name{…}`."""
    name, matchers = histogram.split("{", 1)
    sums, counts = f"{name}_sum{{{matchers}", f"{name}_count{{{matchers}"
    return f"{total(rate(sums, over), *by)} / {total(rate(counts, over), *by)}"
