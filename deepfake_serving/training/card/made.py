"""How the weights came to be, from the file beside them and from the calibration's."""

from __future__ import annotations

from typing import Any

from deepfake_serving.training.card.inputs import Content
from deepfake_serving.training.card.markdown import bullets, number, table


def weights_table(exported: Content) -> str:
    """What the weights are: file, digest, licence, network, size."""
    weights, network = exported["weights"], exported.get("network") or {}
    rows = [
        ["file", f"`model_store/{weights['file']}`"],
        ["sha256", f"`{weights['sha256']}`"],
        ["licence", weights["licence"]],
        ["learnt parameters", f"{exported['parameters']:,}"],
    ]
    rows += [[name, _flat(spec)] for name, spec in network.items() if spec]
    return table(["", ""], rows)


def training_table(exported: Content) -> str | None:
    """The settings of the run; None if its checkpoint was gone."""
    spec = exported.get("training")
    if not spec:
        return None
    return table(["setting", ""], [[name, _flat(value)] for name, value in spec.items()])


def epochs_text(exported: Content) -> str | None:
    """How far the run went and which epoch validation liked best; None without a log."""
    epochs = exported.get("epochs")
    if not epochs:
        return None
    words = f"{len(epochs)} epochs"
    if averaged := exported.get("averaged"):
        words += (
            f" of each of {averaged} networks, one without each fold of people; the weights are "
            "their average (arXiv:2203.05482)"
        )
    judged = [e for e in epochs if "validation_auc" in e]
    if judged:
        best = max(judged, key=lambda e: (e["validation_auc"], e["epoch"]))
        words += (
            f"; the weights are of epoch {best['epoch']:g}, whose AUC on the development clips was "
            f"the highest of all: {number(float(best['validation_auc']))}"
        )
    return words + "."


def checks_table(exported: Content) -> str:
    """What each exported form changes at most."""
    head = ["form", "logit", "probability", "crops"]
    rows = [
        [name, f"{c['logit']:.2g}", f"{c['probability']:.2g}", number(c["crops"])]
        for name, c in (exported.get("checks") or {}).items()
    ]
    return table(head, rows)


def calibration_text(calibration: Content) -> str:
    """The calibration that ships, the thresholds, and what it was chosen by."""
    lines = [
        f"Calibration: {_flat(calibration.get('calibration'))}",
        f"Thresholds: {_flat(calibration.get('thresholds'))}",
    ]
    losses = calibration.get("out_of_fold_log_loss") or {}
    if losses:
        best = min(losses, key=lambda name: losses[name])
        lines.append(
            f"Log loss on folds that it was not fitted to: {number(float(losses[best]))} for the "
            f"best of {len(losses)} ({best}); the simplest within 0.02 of it ships, with the "
            "largest face size"
        )
    if (error := calibration.get("out_of_fold_ece")) is not None:
        lines.append(
            "Calibration error (ECE) of faces on folds that it was not fitted to: "
            f"{number(float(error))}"
        )
    for rate, threshold in (calibration.get("threshold_at_false_positive_rate") or {}).items():
        lines.append(
            f"Real faces of the development clips above {number(float(threshold))}: "
            f"{float(rate):.0%}"
        )
    return bullets(lines)


def _flat(value: Any) -> str:
    """`name a, size 3` of `{name: a, size: 3}`, whatever is within."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(_flat(v) for v in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"`{value}`" if isinstance(value, str) and not value.isidentifier() else str(value)
