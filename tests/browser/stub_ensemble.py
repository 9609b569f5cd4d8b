"""A scripted ensemble of the stub gateway. Of its three members, the last one does not respond."""

from __future__ import annotations

from typing import Any

ENSEMBLE = {"name": "ensemble", "version": "1.0", "digest": "sha256:" + "0e" * 32, "trained": True}
MEMBERS = [
    {"model": "detector", "weight": 4, "served": True},
    {"model": "detector-gpu", "weight": 1, "served": True},
    {"model": "detector-mixed", "weight": 1, "served": True},
]


def combine(verdict: dict[str, Any]) -> None:
    """Puts the scores of the members into a verdict of the detector. They differ the more, the
    surer the detector is that a face is fake."""
    verdict["model"] = ENSEMBLE
    for face in verdict["faces"]:
        p = face["fake_probability"]
        face["models"] = {
            "detector": {"fake_probability": p},
            "detector-gpu": {"fake_probability": round(p * (1.2 - p), 6)},
            "detector-mixed": {"unavailable": "deadline-exceeded"},
        }
    if verdict["faces"]:
        verdict["warnings"] = ["detector-mixed is left out: deadline-exceeded"]
