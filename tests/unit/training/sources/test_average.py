"""Averaged weights, and their statistics of batch normalization."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.sources.average import average
from model_handlers.manifest import read_manifest
from model_handlers.networks.network import build_network
from tests.support.packs import build_examples, build_pack
from tests.support.paths import MANIFESTS
from tests.support.small_manifests import small_manifest

SMALL = small_manifest(head={"channels": 32})


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings with a small network and a mixture of one pack, of eight pairs an epoch."""
    model = tmp_path / "small.yaml"
    model.write_text(yaml.safe_dump(SMALL))
    pairs = {"mode": "pairs", "share": 1, "reals": {"real": 1}}
    mixture = {
        **{"sizes": [64, 64], "window": 64, "pairs_per_epoch": 8},
        "sources": {"pairs": pairs},
    }
    given = {"model": str(model), "batch_size": 4, "mixture": mixture}
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def test_statistics_of_batch_normalization_are_computed_again(
    settings: Path, portraits: list[Portrait], tmp_path: Path
) -> None:
    """The weights lie between those of the parts, and only the statistics are others."""
    build_pack(tmp_path / "packs" / "real", build_examples(portraits))
    parts = {}
    for seed, share in ((1, 3.0), (2, 1.0)):
        state = build_network(read_manifest(tmp_path / "small.yaml"), seed).state_dict()
        parts[tmp_path / f"{seed}.safetensors"] = share
        save_file({name: t.contiguous() for name, t in state.items()}, list(parts)[-1])
    average(parts, tmp_path / "packs", settings, tmp_path / "run")
    first, second = (load_file(path)["encoder.conv_stem.weight"] for path in parts)
    mean = load_file(tmp_path / "run" / "network.safetensors")
    torch.testing.assert_close(mean["encoder.conv_stem.weight"], 0.75 * first + 0.25 * second)
    assert (mean["encoder.bn1.running_mean"] != 0).any()
    record = json.loads((tmp_path / "run" / "average.json").read_text())
    assert record == {"parts": {"1.safetensors": 0.75, "2.safetensors": 0.25}, "crops": 16}


def test_packs_without_a_mixture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("model: config/models/detector.yaml\n")
    with pytest.raises(ValueError, match="no `mixture`"):
        average({}, tmp_path, path, tmp_path / "run")


def test_the_record_of_an_average_names_every_run(tmp_path: Path) -> None:
    """The networks of runs all have the same file name."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("model: config/models/detector.yaml\n")
    state = build_network(read_manifest(MANIFESTS / "detector.yaml"), 0).state_dict()
    parts = {tmp_path / f"{run}/network.safetensors": share for run, share in (("a", 3), ("b", 1))}
    for path in parts:
        path.parent.mkdir()
        save_file({name: t.contiguous() for name, t in state.items()}, path)
    average(parts, None, spec, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "average.json").read_text())
    assert record["parts"] == {"a.safetensors": 0.75, "b.safetensors": 0.25}


def test_without_packs_batch_statistics_are_averaged_too(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("model: config/models/detector.yaml\n")
    parts = {}
    for seed, mean in ((1, 1.0), (2, 3.0)):
        state = build_network(read_manifest(MANIFESTS / "detector.yaml"), seed).state_dict()
        state["encoder.bn1.running_mean"].fill_(mean)
        parts[tmp_path / f"{seed}.safetensors"] = 1.0
        save_file({name: t.contiguous() for name, t in state.items()}, list(parts)[-1])
    average(parts, None, spec, tmp_path / "run")
    averaged = load_file(tmp_path / "run" / "network.safetensors")
    assert averaged["encoder.bn1.running_mean"].unique().tolist() == [2.0]
    assert "synthesis.weight" not in averaged
