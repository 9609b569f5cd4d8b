"""Where the model stands: what others publish, and the commands that made this one."""

from __future__ import annotations

from deepfake_serving.training.card import measured
from deepfake_serving.training.card.inputs import Inputs
from deepfake_serving.training.card.markdown import DASH, table


def published(inputs: Inputs) -> str:
    """Other models' AUC by data set, in per cent, and beneath them this one's on other material."""
    others = inputs.facts.published
    sets = list(dict.fromkeys(name for other in others for name in other.figures))
    rows = []
    for row in others:
        figures = [f"{row.figures[n]:.1f}" if n in row.figures else DASH for n in sets]
        rows.append([row.model, *figures, DASH, row.counted, row.source])
    for evaluation in inputs.evaluations:
        media = evaluation.get("about", {}).get("media", "unnamed material")
        own = f"{media}: {measured.headline(evaluation)}"
        rows.append(["**this model**", *[DASH] * len(sets), own, "videos", "above"])
    heads = [
        "AUC of",
        *(f"{name}, %" for name in sets),
        "other material, of 1",
        "counted",
        "source",
    ]
    return table(heads, rows)


def commands(inputs: Inputs) -> str:
    """From portraits to this card, as an indented block. Capitals are the reader's folders."""
    evaluated = [e.get("about", {}).get("command") for e in inputs.evaluations]
    in_stages = inputs.exported is not None and inputs.exported.get("before") is not None
    lines = [
        "python -m deepfake_serving.training train FACES --media MEDIA --out RUN",
        *(
            ["python -m deepfake_serving.training train FACES --swaps MEDIA --spec SPEC --out RUN"]
            * in_stages
        ),
        *(command for command in evaluated if command),
        "python -m deepfake_serving.training calibrate EVALUATION/scores.csv "
        "--out calibration.json",
        "python -m deepfake_serving.training export RUN --also config/models/classifier.yaml "
        "--calibration calibration.json",
        "python -m deepfake_serving.training attack MEDIA "
        "--weights RUN/network.safetensors --poison FACES",
        "python -m deepfake_serving.training card --evaluation EVALUATION --attacks ATTACKS "
        "--calibration calibration.json --export model_store/WEIGHTS.json",
    ]
    return "\n".join(f"    {line}" for line in lines)
