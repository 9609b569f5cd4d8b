"""The report as one self-contained HTML file, rendered from `templates/page.html`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from deepfake_serving.training.evaluate.aggregation import LEVELS
from deepfake_serving.training.evaluate.breakdown import Subgroup
from deepfake_serving.training.evaluate.hard_examples import encode_jpeg
from deepfake_serving.training.evaluate.metric_set import METRIC_NAMES
from deepfake_serving.training.evaluate.results import Evaluation
from deepfake_serving.training.report.formatting import format_estimate, format_number

_SUBGROUP_METRICS = (
    *("auc", "balanced_accuracy", "real_called_fake", "fake_called_fake"),
    *("brier", "ece"),
)
Row = Sequence[str]


def render_page(evaluation: Evaluation, plots: Sequence[Path]) -> str:
    """Renders the HTML, with `plots` (PNG files) and crops embedded."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            evaluation=evaluation,
            plots=plots,
            about_rows=[
                (name, "–" if v is None else str(v)) for name, v in evaluation.about.items()
            ],
            metric_rows=list(_metric_rows(evaluation)),
            subgroup_tables=list(_subgroup_tables(evaluation)),
            robustness_rows=_robustness_rows(evaluation),
        )
    )


def _environment() -> Environment:
    loader = PackageLoader("deepfake_serving.training.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "base64": lambda data: b64encode(data).decode(),
        "encode_jpeg": encode_jpeg,
        "number": format_number,
    }
    return environment


def _metric_rows(evaluation: Evaluation) -> Iterator[Row]:
    """Yields a row for each metric, then the sizes; one column a level."""
    levels = [evaluation.overall(level).figures for level in LEVELS]
    for name, title in METRIC_NAMES.items():
        yield title, *(format_estimate(metrics.figures[name]) for metrics in levels)
    yield "real / fake", *(f"{m.real} / {m.fake}" for m in levels)
    yield "identities", *(str(m.identities) for m in levels)
    yield "without a prediction", *(str(m.unanswered) for m in levels)
    cells = (" / ".join(str(m.confusion[c]) for c in ("tp", "fp", "tn", "fn")) for m in levels)
    yield "true / false positives, true / false negatives", *cells


def _subgroup_tables(evaluation: Evaluation) -> Iterator[tuple[str, Row, list[Row]]]:
    """Yields title, head and rows of each kind of subgroup that has more than one."""
    for by in ("manipulation", "face size", "variant"):
        subgroups = [s for s in evaluation.subgroups if s.by == by]
        if len(subgroups) > 1:
            titles = (METRIC_NAMES[name] for name in _SUBGROUP_METRICS)
            head = (by, f"{subgroups[0].level}s: real / fake", "no prediction", *titles)
            yield by, head, [_subgroup_row(subgroup) for subgroup in subgroups]


def _subgroup_row(subgroup: Subgroup) -> Row:
    metrics = subgroup.figures
    sizes = (subgroup.name, f"{metrics.real} / {metrics.fake}", str(metrics.unanswered))
    return *sizes, *(format_estimate(metrics.figures[name]) for name in _SUBGROUP_METRICS)


def _robustness_rows(evaluation: Evaluation) -> list[Row]:
    return [
        (f"{p.kind} {p.level:g}", format_estimate(p.auc), format_estimate(p.drop), str(p.videos))
        for p in evaluation.robustness
    ]
