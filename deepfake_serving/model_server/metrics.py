"""Prometheus metrics of a model server: its stages, its verdicts, its queues and workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.runtime.metrics import SECONDS, ServerMetrics
from deepfake_serving.runtime.version import VERSION

_STAGE_SECONDS = (0.0005, 0.001, 0.0025, *SECONDS[:-2])
_TENTHS = tuple(n / 10 for n in range(1, 11))


class Metrics(ServerMetrics):
    """All metrics of a model server. Gauges are read at each scrape."""

    def __init__(
        self,
        models: dict[str, ServedModel],
        admission: dict[str, AdmissionController],
        state: ServerState,
    ) -> None:
        super().__init__()
        r = self.registry
        self.stages = Histogram(
            "deepfake_stage_duration_seconds",
            "Time of one stage over one batch, measured in the worker.",
            ("model", "stage"),
            buckets=_STAGE_SECONDS,
            registry=r,
        )
        self.batch_size = Histogram(
            "deepfake_batch_size",
            "Images or frames in one batch that a worker ran.",
            ("model",),
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=r,
        )
        self.faces = Histogram(
            "deepfake_faces_per_image",
            "Faces found in one image or frame.",
            ("model",),
            buckets=(0, 1, 2, 3, 5, 10, 20, 50),
            registry=r,
        )
        self.scores = Histogram(
            "deepfake_score",
            "Calibrated probability of one face, for drift.",
            ("model",),
            buckets=_TENTHS,
            registry=r,
        )
        self.verdicts = Counter(
            "deepfake_verdicts", "Images and frames by verdict.", ("model", "verdict"), registry=r
        )
        self.retries = Counter(
            "deepfake_upstream_retries",
            "Predictions retried because a worker was lost.",
            ("model",),
            registry=r,
        )
        self.restarts = Counter(
            "deepfake_torchserve_restarts", "Restarts of TorchServe (Java).", registry=r
        )
        self.recycled = Counter(
            "deepfake_workers_recycled",
            "Workers that were replaced because their memory had grown.",
            ("model",),
            registry=r,
        )
        self.lost = Counter(
            "deepfake_workers_lost",
            "Workers that ended by themselves: crashed, killed for want of memory, or ended "
            "because they did not respond.",
            ("model",),
            registry=r,
        )
        for model in models:
            self.lost.labels(model)
            self.retries.labels(model)
            self.recycled.labels(model)
        self._batches: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        """Images, and seconds in workers, by model."""
        self.gauges = Gauges(models, admission, state)
        r.register(self.gauges)

    def image_ms(self, model: str) -> float | None:
        """Returns the average time of an image in a worker, milliseconds; None before the first."""
        images, seconds = self._batches[model]
        return round(1e3 * seconds / images, 2) if images else None

    def observe_batch(self, model: str, batch: dict[str, Any]) -> None:
        """Records one batch, from the header of its first response."""
        images, seconds = self._batches[model]
        total = seconds + sum(batch["stages"].values())
        self._batches[model] = images + int(batch["items"]), total
        if batch["items"]:
            self.batch_size.labels(model).observe(batch["items"])
        for stage, seconds in batch["stages"].items():
            self.stages.labels(model, stage).observe(seconds)

    def observe_result(self, model: str, result: dict[str, Any]) -> None:
        """Records an image's faces, scores and verdict."""
        faces = result.get("faces")
        if faces is not None:
            self.faces.labels(model).observe(len(faces))
        for scored in [result] if faces is None else faces:
            if scored.get("fake_probability") is not None:
                self.scores.labels(model).observe(scored["fake_probability"])
        if "verdict" in result:
            self.verdicts.labels(model, result["verdict"]).inc()


class Gauges(Collector):
    """Gauges of queues, workers, readiness and models."""

    def __init__(
        self,
        models: dict[str, ServedModel],
        admission: dict[str, AdmissionController],
        state: ServerState,
    ) -> None:
        self.models, self.admission, self.state = models, admission, state

    def collect(self) -> Iterable[Metric]:
        queue = GaugeMetricFamily(
            "deepfake_queue_depth", "Requests that wait for a slot.", labels=["model"]
        )
        inflight = GaugeMetricFamily(
            "deepfake_inflight_requests", "Requests in flight at TorchServe.", labels=["model"]
        )
        for name, controller in self.admission.items():
            queue.add_metric([name], controller.waiting)
            inflight.add_metric([name], controller.in_flight)
        workers = GaugeMetricFamily(
            "deepfake_workers", "Workers by state.", labels=["model", "state"]
        )
        for name, state in self.state.models.items():
            workers.add_metric([name, "ready"], state.workers_ready)
            workers.add_metric([name, "wanted"], state.workers_wanted)
        ready = GaugeMetricFamily("deepfake_ready", "1 if /readyz returns 200.", self.state.ready)
        info = GaugeMetricFamily(
            "deepfake_model_info",
            "1 for each model.",
            labels=["model", "version", "digest", "trained"],
        )
        for model in self.models.values():
            ref = model.ref
            info.add_metric([ref.name, ref.version, ref.digest or "", str(ref.trained).lower()], 1)
        build = GaugeMetricFamily(
            "deepfake_build_info", "Always 1; the version is a label.", labels=["version"]
        )
        build.add_metric([VERSION], 1)
        return [queue, inflight, workers, ready, info, build]
