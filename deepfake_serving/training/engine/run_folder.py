"""The files of a training run's folder.

An average of other weights has `average.json`, a fitted synthesis head `synthesis.json`.
A run with cross-validation has `folds.json`, a run in each `fold-K/`, and their averaged weights.
"""

from __future__ import annotations

from pathlib import Path

CHECKPOINT = "checkpoint.pt"
NETWORK = "network.safetensors"
LOG = "log.jsonl"
FOLDS = "folds.json"
AVERAGE = "average.json"
SYNTHESIS = "synthesis.json"


def fold_folder(out: Path, fold: int) -> Path:
    """Returns the folder of the run that leaves out the people of `fold`."""
    return out / f"fold-{fold}"
