"""Models: version, time by stage, batches and verdicts."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query, Variable
from scripts.dashboards.pools import POOL
from scripts.dashboards.query import gateway, mean, model_server, quantile, rate, total

MODEL = Variable(
    "model",
    "Model",
    'deepfake_model_info{namespace=~"$namespace",app_kubernetes_io_instance=~"$instance"}',
    "model",
)
_MINE = ('deepfake_serving_pool=~"$pool"', 'model=~"$model"')
_KNOWN = gateway("deepfake_model_info", 'pool=~"$pool"', 'model=~"$model"')
_STAGES = "deepfake_stage_duration_seconds"


def _of(metric: str) -> str:
    return model_server(metric, *_MINE)


_SERVED = [
    Panel(
        "Served",
        "As seen by gateways: version, digest of the archive, and whether it was trained.",
        "none",
        [
            Query(
                f"count by (pool, model, version, digest, trained) ({_KNOWN})",
                "",
            )
        ],
        "table",
        width=24,
        height=5,
    ),
]

_TIME = [
    Panel(
        "Stages, mean",
        "Time of each stage over one batch, in the worker.",
        "s",
        [Query(mean(_of(_STAGES), "model", "stage"), "{{model}} {{stage}}")],
        stacked=True,
    ),
    Panel(
        "Stages, 95 %",
        "Time of each stage over one batch. Percentiles don't add up.",
        "s",
        [Query(quantile(0.95, _of(f"{_STAGES}_bucket"), "model", "stage"), "{{model}} {{stage}}")],
    ),
    Panel(
        "Stages, busy workers",
        "Average number of workers busy with each stage.",
        "none",
        [Query(total(rate(_of(f"{_STAGES}_sum")), "model", "stage"), "{{model}} {{stage}}")],
        stacked=True,
    ),
    Panel(
        "Images per batch, mean",
        "1 if requests arrive one at a time.",
        "none",
        [Query(mean(_of("deepfake_batch_size"), "model"), "{{model}}")],
    ),
    Panel(
        "Batches by size",
        "Batches in each interval, by images.",
        "none",
        [
            Query(
                total(f"increase({_of('deepfake_batch_size_bucket')}[$__rate_interval])", "le"),
                "{{le}}",
            )
        ],
        "heatmap",
    ),
    Panel(
        "Lost workers",
        "Predictions retried because a worker was lost.",
        "reqps",
        [Query(total(rate(_of("deepfake_upstream_retries_total")), "model"), "{{model}}")],
    ),
]

_VERDICTS = [
    Panel(
        "Verdicts",
        "Images per second, by verdict.",
        "reqps",
        [Query(total(rate(_of("deepfake_verdicts_total")), "verdict"), "{{verdict}}")],
        stacked=True,
    ),
    Panel(
        "Faces per image, mean",
        "Mean number of detected faces.",
        "none",
        [Query(mean(_of("deepfake_faces_per_image"), "model"), "{{model}}")],
    ),
    Panel(
        "Images by faces",
        "Images in each interval, by detected faces.",
        "none",
        [
            Query(
                total(
                    f"increase({_of('deepfake_faces_per_image_bucket')}[$__rate_interval])", "le"
                ),
                "{{le}}",
            )
        ],
        "heatmap",
    ),
]

MODELS = Dashboard(
    "deepfake-models",
    "Deepfake serving / Models",
    "Models: what is served, stages, batches, faces and verdicts.",
    {"Served": _SERVED, "Time": _TIME, "Verdicts": _VERDICTS},
    (POOL, MODEL),
)
