"""Prometheus metrics of the gateway and its worker."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from deepfake_serving.contracts.jobs import ENDED, STATES, Job
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.runtime.metrics import ServerMetrics
from deepfake_serving.runtime.version import VERSION

_LONG_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics(ServerMetrics):
    """All metrics of a gateway or a worker. Gauges of others are read when they are scraped."""

    def __init__(self) -> None:
        super().__init__()
        r = self.registry
        self.retries = Counter(
            "deepfake_upstream_retries",
            "Predictions asked again at another model server.",
            ("pool",),
            registry=r,
        )
        self.jobs_ended = Counter(
            "deepfake_jobs_ended", "Jobs that a worker has ended.", ("kind", "state"), registry=r
        )
        self.job_duration = Histogram(
            "deepfake_job_duration_seconds",
            "From a job's submission to its end.",
            ("kind",),
            buckets=_LONG_SECONDS,
            registry=r,
        )
        self.streams = Gauge("deepfake_streams", "Live streams that are open.", registry=r)
        self.stream_frames = Counter(
            "deepfake_stream_frames", "Frames of live streams.", ("outcome",), registry=r
        )
        self.windows = Counter(
            "deepfake_live_windows",
            "Windows of live sources that a worker followed.",
            ("outcome",),
            registry=r,
        )
        self.webhooks = Counter(
            "deepfake_webhook_attempts", "Attempts to tell a webhook.", ("outcome",), registry=r
        )
        self.uncounted = Counter(
            "deepfake_rate_limit_failures",
            "Times that the counter of rate limits did not answer, and requests passed.",
            registry=r,
        )
        self.jobs = JobGauges()
        self.build = Gauge("deepfake_build_info", "1.", ("version",), registry=r)
        self.build.labels(VERSION).set(1)

    def expect_jobs(self, kinds: Iterable[str]) -> None:
        """Counters at zero for each end of each kind: a rate sees no rise from nothing to one."""
        for kind in kinds:
            for state in ENDED:
                self.jobs_ended.labels(kind, state)

    def job_ended(self, job: Job, state: str) -> None:
        """Notes a job's end."""
        self.jobs_ended.labels(job.kind, state).inc()
        self.job_duration.labels(job.kind).observe(max(0.0, time.time() - job.created_at))

    def webhook_tried(self, told: bool) -> None:
        """Notes an attempt to tell a webhook."""
        self.webhooks.labels("told" if told else "failed").inc()

    def window_judged(self, outcome: str) -> None:
        """Notes a window of a live source."""
        self.windows.labels(outcome).inc()

    def count_jobs(self) -> None:
        """Adds the store's counts. Gateways do; a worker, which doesn't read them, would lie."""
        self.registry.register(self.jobs)

    def watch(self, pools: Pools) -> None:
        """Adds the replicas of all pools."""
        for pool in pools.routing.pools:
            self.retries.labels(pool.name)
        self.registry.register(PoolGauges(pools))


class PoolGauges(Collector):
    """Replicas and their load."""

    def __init__(self, pools: Pools) -> None:
        self.pools = pools

    def collect(self) -> Iterable[Metric]:
        replicas = GaugeMetricFamily(
            "deepfake_replicas", "Model servers by state.", labels=["pool", "state"]
        )
        inflight = GaugeMetricFamily(
            "deepfake_inflight_requests", "Requests at the model servers.", labels=["pool"]
        )
        for name, members in self.pools.replicas.items():
            healthy = sum(replica.healthy for replica in members)
            replicas.add_metric([name, "healthy"], healthy)
            replicas.add_metric([name, "unhealthy"], len(members) - healthy)
            inflight.add_metric([name], sum(replica.in_flight for replica in members))
        info = GaugeMetricFamily(
            "deepfake_model_info",
            "1 for each model that a pool serves.",
            labels=["model", "version", "digest", "trained", "pool"],
        )
        for model, by_pool in self.pools.models().items():
            for pool, ref in by_pool.items():
                trained = str(ref.trained).lower()
                info.add_metric([model, ref.version, ref.digest or "", trained, pool], 1)
        return [replicas, inflight, info]


class JobGauges(Collector):
    """The store's counts, as they were last read: a scrape waits for no store.

    Before the first reading there are none: a zero that no store said would look like a fall.
    """

    def __init__(self) -> None:
        self.counts: Mapping[str, int] | None = None
        self.oldest_queued_s = 0.0

    def collect(self) -> Iterable[Metric]:
        jobs = GaugeMetricFamily("deepfake_jobs", "Jobs by state.", labels=["state"])
        for state in STATES if self.counts is not None else ():
            jobs.add_metric([state], (self.counts or {}).get(state, 0))
        age = GaugeMetricFamily(
            "deepfake_job_queue_age_seconds", "How long the oldest queued job has waited."
        )
        if self.counts is not None:
            age.add_metric([], self.oldest_queued_s)
        return [jobs, age]
