"""Drift: scores and verdicts of a model over days."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query
from scripts.dashboards.models import MODEL
from scripts.dashboards.pools import POOL
from scripts.dashboards.query import (
    gateway,
    mean,
    model_server,
    quantile,
    rate,
    recorded,
    total,
)

_SELECTED = ('deepfake_serving_pool=~"$pool"', 'model=~"$model"')
_HOUR = "1h"


def _of(metric: str, *matchers: str) -> str:
    return model_server(metric, *_SELECTED, *matchers)


_CHANGE = ("pool", "model", "served", "shadow")
_COMPARED = 'outcome="compared"'


def _shadow(metric: str, *matchers: str) -> str:
    return gateway(f"deepfake_shadow_{metric}", 'model=~"$model"', *matchers)


def _share(part: str, whole: str, *by: str) -> str:
    return f"{total(part, *by)} / {total(whole, *by)}"


_SCORES = [
    Panel(
        "Scores",
        "Faces in each interval, by calibrated probability that they are fake.",
        "percentunit",
        [
            Query(
                total(f"increase({_of('deepfake_score_bucket')}[$__rate_interval])", "le"), "{{le}}"
            )
        ],
        "heatmap",
        width=16,
        height=9,
    ),
    Panel(
        "Mean score",
        "Over an hour and a day, and over the week before that day, which the drift alert "
        "compares (from the chart's recording rules, for the whole release).",
        "percentunit",
        [
            Query(mean(_of("deepfake_score"), "model", over=_HOUR), "{{model}}, hour"),
            Query(recorded("deepfake:score:mean1d", 'model=~"$model"'), "{{model}}, day"),
            Query(
                recorded("deepfake:score:mean7d_before", 'model=~"$model"'),
                "{{model}}, week before",
            ),
        ],
        height=9,
        maximum=1,
    ),
    Panel(
        "Sure scores",
        "Share of faces with a probability under 10 % and over 90 %, over an hour: both fall "
        "if images differ from those that the model was calibrated on.",
        "percentunit",
        [
            Query(
                _share(
                    rate(_of("deepfake_score_bucket", 'le="0.1"'), _HOUR),
                    rate(_of("deepfake_score_count"), _HOUR),
                    "model",
                ),
                "{{model}} under 10 %",
            ),
            Query(
                "1 - "
                + _share(
                    rate(_of("deepfake_score_bucket", 'le="0.9"'), _HOUR),
                    rate(_of("deepfake_score_count"), _HOUR),
                    "model",
                ),
                "{{model}} over 90 %",
            ),
        ],
        maximum=1,
    ),
    Panel(
        "Faces scored",
        "Faces per second, over an hour. A mean of few faces is unreliable.",
        "cps",
        [Query(total(rate(_of("deepfake_score_count"), _HOUR), "model"), "{{model}}")],
    ),
    Panel(
        "Archives served",
        "Replicas by digest: a change here explains a change above.",
        "none",
        [
            Query(
                f"count by (model, digest) ({_of('deepfake_model_info')})",
                "{{model}} {{digest}}",
            )
        ],
        stacked=True,
    ),
]

_VERDICTS = [
    Panel(
        "Share of verdicts",
        "Share of images by verdict, over an hour.",
        "percentunit",
        [
            Query(
                f"{total(rate(_of('deepfake_verdicts_total'), _HOUR), 'verdict')} "
                f"/ on () group_left () {total(rate(_of('deepfake_verdicts_total'), _HOUR))}",
                "{{verdict}}",
            )
        ],
        width=12,
        stacked=True,
        maximum=1,
    ),
    Panel(
        "Images without a face",
        "Share of images without a detected face, over an hour.",
        "percentunit",
        [
            Query(
                _share(
                    rate(_of("deepfake_faces_per_image_bucket", 'le="0.0"'), _HOUR),
                    rate(_of("deepfake_faces_per_image_count"), _HOUR),
                    "model",
                ),
                "{{model}}",
            )
        ],
        width=12,
        maximum=1,
    ),
]

_SHADOW = [
    Panel(
        "Difference of scores",
        "Shadow pools: absolute difference of the fake probability from the one served.",
        "percentunit",
        [
            Query(quantile(q, _shadow("score_difference_bucket"), "pool", "model"), name)
            for q, name in ((0.5, "{{pool}} {{model}} median"), (0.95, "{{pool}} {{model}} 95 %"))
        ],
        maximum=1,
    ),
    Panel(
        "Changed verdicts",
        "Shadow pools: share of compared images whose verdict differs from the one served.",
        "percentunit",
        [
            Query(
                f"{total(rate(_shadow('verdict_changes_total')), *_CHANGE)} "
                "/ on (pool, model) group_left () "
                f"{total(rate(_shadow('requests_total', _COMPARED)), 'pool', 'model')}",
                "{{pool}} {{model}}: {{served}} to {{shadow}}",
            )
        ],
        stacked=True,
        maximum=1,
    ),
    Panel(
        "Copies",
        "Images that shadow pools got a copy of, by outcome.",
        "reqps",
        [Query(total(rate(_shadow("requests_total")), "pool", "outcome"), "{{pool}} {{outcome}}")],
        stacked=True,
    ),
]

DRIFT = Dashboard(
    "deepfake-drift",
    "Deepfake serving / Drift",
    "Scores and verdicts over days.",
    {"Scores": _SCORES, "Verdicts": _VERDICTS, "Shadow pools": _SHADOW},
    (POOL, MODEL),
    span="7d",
)
