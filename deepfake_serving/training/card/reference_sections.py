"""The sections on published results and on reproduction."""

from __future__ import annotations

from deepfake_serving.training.card import metrics_section
from deepfake_serving.training.card.inputs import Inputs
from deepfake_serving.training.card.markdown import DASH, table

_COMMAND = "python -m deepfake_serving.training"
_AVERAGED = (
    "pack SET PACKS/SET",
    "mix PACKS --out MIXTURE",
    "canvases PACKS/* --out CANVASES",
    "train-gpu CANVASES --out GPU",
    "average FILE:SHARE ... --packs PACKS --out RUN",
    "evaluate-all DEVELOPMENT --weights RUN/network.safetensors",
    "calibrate-all build/training/development",
    "export RUN --also config/models/classifier.yaml --calibration calibration.json",
    "card --development DEVELOPMENT --calibration calibration.json --export WEIGHTS.json",
)


def published_table(inputs: Inputs) -> str:
    """Returns other models' AUC by data set, in per cent, above this model's on other data."""
    others = inputs.facts.published
    sets = list(dict.fromkeys(name for other in others for name in other.figures))
    rows = []
    for other in others:
        values = [f"{other.figures[n]:.1f}" if n in other.figures else DASH for n in sets]
        rows.append([other.model, *values, DASH, other.counted, other.source])
    for evaluation in inputs.evaluations:
        media = evaluation.get("about", {}).get("media", "unnamed data")
        own = f"{media}: {metrics_section.headline(evaluation)}"
        rows.append(["**this model**", *[DASH] * len(sets), own, "videos", "above"])
    percent = (f"{name}, %" for name in sets)
    return table(["AUC of", *percent, "other data, 0..1", "unit", "source"], rows)


def commands(inputs: Inputs) -> str:
    """Returns the commands from portraits to this card, as an indented block."""
    if inputs.exported is not None and inputs.exported.get("average"):
        return "\n".join(f"    {_COMMAND} {step}" for step in _AVERAGED)
    evaluated = [e.get("about", {}).get("command") for e in inputs.evaluations]
    in_stages = inputs.exported is not None and inputs.exported.get("before") is not None
    second_stage = f"{_COMMAND} train FACES --swaps MEDIA --spec SPEC --out RUN"
    lines = [
        f"{_COMMAND} train FACES --media MEDIA --out RUN",
        *([second_stage] if in_stages else []),
        *(command for command in evaluated if command),
        f"{_COMMAND} calibrate EVALUATION/scores.csv --out calibration.json",
        f"{_COMMAND} export RUN --also config/models/classifier.yaml "
        "--calibration calibration.json",
        f"{_COMMAND} attack MEDIA --weights RUN/network.safetensors --poison FACES",
        f"{_COMMAND} card --evaluation EVALUATION --attacks ATTACKS "
        "--calibration calibration.json --export model_store/WEIGHTS.json",
    ]
    return "\n".join(f"    {line}" for line in lines)
