"""Prometheus metrics of the gateway and its worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from deepfake_serving.contracts.jobs import ENDED, STATES, Job
from deepfake_serving.gateway.ensembles.metrics import EnsembleMetrics
from deepfake_serving.gateway.predictions.metrics import PredictionMetrics
from deepfake_serving.gateway.queue.health import StoreHealth
from deepfake_serving.gateway.shadow.metrics import ShadowMetrics
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.runtime.metrics import ServerMetrics
from deepfake_serving.runtime.version import VERSION

_LONG_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics(ServerMetrics):
    """All metrics of a gateway or a worker. Gauges are collected when they are scraped."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.retries = Counter(
            "deepfake_upstream_retries",
            "Retries on another model server, by the pool of the one that failed.",
            ("pool",),
            registry=registry,
        )
        self._hedges = Counter(
            "deepfake_upstream_hedges",
            "Images with a verdict that were slow and also sent to a second model server, by its "
            "pool and by which of the two gave the verdict.",
            ("pool", "first"),
            registry=registry,
        )
        self.jobs_ended = Counter(
            "deepfake_jobs_ended",
            "Jobs that ended in this worker, and parts of long videos; not those that end while "
            "they are queued, or with the loss of a worker.",
            ("kind", "state"),
            registry=registry,
        )
        self.running_jobs = Gauge(
            "deepfake_running_jobs",
            "Jobs that this worker runs, and parts of long videos.",
            ("kind",),
            registry=registry,
        )
        self.job_duration = Histogram(
            "deepfake_job_duration_seconds",
            "Time from a job's submission to its end.",
            ("kind",),
            buckets=_LONG_SECONDS,
            registry=registry,
        )
        self.streams = Gauge("deepfake_streams", "Open live streams.", registry=registry)
        self.stream_frames = Counter(
            "deepfake_stream_frames",
            "Frames of live streams, by outcome; dropped are those that newer ones replaced.",
            ("outcome",),
            registry=registry,
        )
        self.windows = Counter(
            "deepfake_live_windows",
            "Windows of live sources, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self.uploads = Counter(
            "deepfake_uploads",
            "Resumable uploads: created, submitted as jobs, deleted by clients, expired.",
            ("event",),
            registry=registry,
        )
        self.webhooks = Counter(
            "deepfake_webhook_attempts",
            "Webhook delivery attempts: delivered, or failed.",
            ("outcome",),
            registry=registry,
        )
        self.ensembles = EnsembleMetrics(registry)
        self.shadow = ShadowMetrics(registry)
        self.predictions = PredictionMetrics(registry)
        self.rate_limit_failures = Counter(
            "deepfake_rate_limit_failures",
            "Failures of the rate-limit counter; requests pass meanwhile.",
            registry=registry,
        )
        for outcome in ("delivered", "failed"):
            self.webhooks.labels(outcome)
        for outcome in ("judged", "problem", "dropped"):
            self.stream_frames.labels(outcome)
        self.usage = Counter(
            "deepfake_key_usage",
            "Usage of API keys: requests, images, bytes, video_seconds.",
            ("key", "unit"),
            registry=registry,
        )
        self.ready = Gauge(
            "deepfake_ready",
            "1 if /readyz returns 200; of a worker, until it drains.",
            registry=registry,
        )
        self.jobs = JobGauges()
        self.build = Gauge(
            "deepfake_build_info",
            "Always 1; the version is a label.",
            ("version",),
            registry=registry,
        )
        self.build.labels(VERSION).set(1)

    def hedged(self, pool: str, second_won: bool) -> None:
        """Counts an image that was sent to a second replica, which is of this pool."""
        self._hedges.labels(pool, "second" if second_won else "first").inc()

    def expect_jobs(self, kinds: Iterable[str]) -> None:
        """Initialises counts of jobs at zero: a rate misses the step from absent to 1."""
        for kind in kinds:
            self.running_jobs.labels(kind)
            for state in ENDED:
                self.jobs_ended.labels(kind, state)

    def job_running(self, job: Job) -> AbstractContextManager[None]:
        """Counts a job as running while the block runs."""
        return self.running_jobs.labels(job.kind).track_inprogress()

    def job_ended(self, job: Job, state: str) -> None:
        """Counts a job that has ended."""
        self.jobs_ended.labels(job.kind, state).inc()
        self.job_duration.labels(job.kind).observe(max(0.0, time.time() - job.created_at))

    def upload_events(self, event: str, count: int = 1) -> None:
        """Counts resumable uploads to which something happened."""
        self.uploads.labels(event).inc(count)

    def webhook_attempted(self, delivered: bool) -> None:
        """Counts an attempt to deliver a webhook."""
        self.webhooks.labels("delivered" if delivered else "failed").inc()

    def key_used(self, key: str, unit: str, amount: float) -> None:
        """Counts usage of an API key."""
        self.usage.labels(key, unit).inc(amount)

    def window_analysed(self, outcome: str) -> None:
        """Counts a window of a live source."""
        self.windows.labels(outcome).inc()

    def watch_jobs(self, health: StoreHealth) -> None:
        """Registers the job store's gauges. Only gateways do: a worker never updates them."""
        self.jobs.health = health
        self.registry.register(self.jobs)

    def watch_readiness(self, ready: Callable[[], bool]) -> None:
        """Lets the gauge of readiness follow a function."""
        self.ready.set_function(ready)

    def watch(self, pools: Pools) -> None:
        """Registers the gauges of all pools."""
        for pool in pools.routing.pools:
            self.retries.labels(pool.name)
        self.registry.register(PoolGauges(pools))


class PoolGauges(Collector):
    """Gauges of the replicas, their load and their models."""

    def __init__(self, pools: Pools) -> None:
        self.pools = pools

    def collect(self) -> Iterable[Metric]:
        replicas = GaugeMetricFamily(
            "deepfake_replicas", "Model servers by state.", labels=["pool", "state"]
        )
        inflight = GaugeMetricFamily(
            "deepfake_inflight_requests",
            "Requests in flight upstream.",
            labels=["pool"],
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
        for model, by_pool in self.pools.all_models().items():
            for pool, ref in by_pool.items():
                trained = str(ref.trained).lower()
                info.add_metric([model, ref.version, ref.digest or "", trained, pool], 1)
        return [replicas, inflight, info]


class JobGauges(Collector):
    """Gauges of the job store, as it was last read: a scrape does not wait for the store.

    Before the first read, and while the store does not respond, there are no counts: zeros would
    look like a drop, and old ones like a queue that does not move.
    """

    def __init__(self) -> None:
        self.health: StoreHealth | None = None
        self.counts: Mapping[str, int] | None = None
        self.oldest_queued_s = 0.0

    def collect(self) -> Iterable[Metric]:
        healthy = self.health is not None and self.health.healthy
        up = GaugeMetricFamily("deepfake_job_store_up", "1 if the job store responds.", healthy)
        writable = GaugeMetricFamily(
            "deepfake_job_store_writable",
            "1 if the job store accepts writes.",
            self.health is not None and self.health.writable,
        )
        counts = self.counts if healthy else None
        jobs = GaugeMetricFamily(
            "deepfake_jobs", "Jobs by state, with parts of long videos.", labels=["state"]
        )
        for state in STATES if counts is not None else ():
            jobs.add_metric([state], (counts or {}).get(state, 0))
        age = GaugeMetricFamily(
            "deepfake_job_queue_age_seconds", "Time since the oldest queued job was submitted."
        )
        if counts is not None:
            age.add_metric([], self.oldest_queued_s)
        return [up, writable, jobs, age]
