"""The sections on weights, training and calibration, from the files beside the weights."""

from __future__ import annotations

from typing import Any

from deepfake_serving.training.card.inputs import Content
from deepfake_serving.training.card.markdown import bullets, format_number, table


def weights_table(exported: Content) -> str:
    """Returns file, digest, licence, network and size of the weights."""
    weights, network = exported["weights"], exported.get("network") or {}
    rows = [
        ["file", f"`model_store/{weights['file']}`"],
        ["sha256", f"`{weights['sha256']}`"],
        ["licence", weights["licence"]],
        ["trained parameters", f"{exported['parameters']:,}"],
    ]
    rows += [[name, _flat(spec)] for name, spec in network.items() if spec]
    return table(["", ""], rows)


def training_table(exported: Content) -> str | None:
    """Returns the settings of the run; None without its checkpoint."""
    settings = exported.get("training")
    if not settings:
        return None
    return table(["setting", ""], [[name, _flat(value)] for name, value in settings.items()])


def average_text(exported: Content) -> str | None:
    """Returns which weights these are the average of; None if they are of one run."""
    average = exported.get("average")
    if not average:
        return None
    parts = ", ".join(f"{share:g} of `{name}`" for name, share in average["parts"].items())
    text = f"Average of weights that were trained from the same start (arXiv:2203.05482): {parts}."
    if average["crops"]:
        text += f" Batch normalization was measured again on {average['crops']} training crops."
    return text


def synthesis_text(exported: Content) -> str | None:
    """Returns how the synthesis head was fitted; None without one."""
    synthesis = exported.get("synthesis")
    if not synthesis:
        return None
    return (
        "The synthesis head is a logistic regression on the mean features of the last stages for "
        f"{synthesis['crops']:,} crops, {synthesis['synthesised']:,} of them fakes of the source "
        f"`{synthesis['source']}` and all others real (C {synthesis['c']:g}). Its log-odds are "
        f"moved by {synthesis['prior']:g}, since such faces are rarer in service."
    )


def epochs_text(exported: Content) -> str | None:
    """Returns the length of the run and the selected epoch; None without a log."""
    epochs = exported.get("epochs")
    if not epochs:
        return None
    text = f"{len(epochs)} epochs"
    if averaged := exported.get("averaged"):
        text += (
            f" of each of {averaged} networks, one without each fold of identities; the weights "
            "are their average (arXiv:2203.05482)"
        )
    validated = [e for e in epochs if "validation_auc" in e]
    if validated:
        best = max(validated, key=lambda e: (e["validation_auc"], e["epoch"]))
        text += (
            f"; the weights are those of epoch {best['epoch']:g}, which had the highest AUC on the "
            f"development clips: {format_number(float(best['validation_auc']))}"
        )
    return text + "."


def checks_table(exported: Content) -> str:
    """Returns the maximum differences of each exported format."""
    head = ["format", "logit", "probability", "crops"]
    rows = [
        [name, f"{c['logit']:.2g}", f"{c['probability']:.2g}", format_number(c["crops"])]
        for name, c in (exported.get("checks") or {}).items()
    ]
    return table(head, rows)


def calibration_text(calibration: Content) -> str:
    """Returns the shipped calibration, the thresholds, and the metrics of the selection."""
    lines = [
        f"Calibration: {_flat(calibration.get('calibration'))}",
        f"Thresholds: {_flat(calibration.get('thresholds'))}",
    ]
    losses = calibration.get("out_of_fold_log_loss") or {}
    if losses:
        best = min(losses, key=lambda name: losses[name])
        lines.append(
            f"Log loss out of fold: {format_number(float(losses[best]))} for the best of "
            f"{len(losses)} candidates ({best}); the simplest within 0.02 of it ships, with the "
            "highest limits"
        )
    if (error := calibration.get("out_of_fold_ece")) is not None:
        lines.append(f"Calibration error (ECE) of faces out of fold: {format_number(float(error))}")
    for rate, threshold in (calibration.get("threshold_at_false_positive_rate") or {}).items():
        lines.append(
            f"False positive rate on the development clips above "
            f"{format_number(float(threshold))}: {float(rate):.0%}"
        )
    return bullets(lines)


def _flat(value: Any) -> str:
    """Formats `{name: a, size: 3}` as `name a, size 3`, recursively."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(_flat(v) for v in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"`{value}`" if isinstance(value, str) and not value.isidentifier() else str(value)
