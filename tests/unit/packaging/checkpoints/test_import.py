"""Imports: strict, without code, with licence and digest, and with the same logits afterwards."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.utils import CheckpointSaver, ModelEmaV3
from torch import Tensor

from deepfake_serving.packaging.archive import build_archive
from deepfake_serving.packaging.checkpoints.kinds.registry import KINDS
from deepfake_serving.packaging.checkpoints.run import ImportRequest, import_checkpoint
from deepfake_serving.packaging.checkpoints.state import CheckpointError, read_state
from model_handlers.manifest import parse_manifest, read_manifest
from model_handlers.networks.inference import build_classifier_network, load_network

State = dict[str, Tensor]
KERAS_INPUT = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def network(spec: dict[str, Any], size: int, seed: int = 1, **entries: Any) -> torch.nn.Module:
    """Builds a network whose normalisations have statistics other than the initial ones."""
    head = {"name": "original", "version": "1.0", "task": "classifier"}
    manifest = parse_manifest(
        {**head, "network": spec, "crop": {"size": size}, **entries}, "original.yaml"
    )
    built = build_classifier_network(manifest, seed)
    generator = torch.Generator().manual_seed(seed)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
    return built


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def imported(
    kind: str, source: Path | list[Path], out: Path, **options: Any
) -> tuple[Path, list[str]]:
    lines: list[str] = []
    sources = source if isinstance(source, list) else [source]
    digests = tuple(map(sha256, sources))
    options = {"sha256": digests, "licence": "MIT", "name": "foreign", **options}
    request = ImportRequest(kind, tuple(map(str, sources)), out, **options)
    return import_checkpoint(request, lines.append), lines


def assert_same_logits(manifest: Path, original: torch.nn.Module) -> None:
    read = read_manifest(manifest)
    loaded = load_network(read, load_file(manifest.with_suffix(".safetensors")))
    side = read.crop.size
    crops = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        torch.testing.assert_close(loaded(crops), original(crops), rtol=1e-4, atol=1e-5)


# MesoNet -----------------------------------------------------------------------------------------


def write_keras(path: Path, state: State) -> None:
    """Writes Meso-4 as Keras does: rows, columns, in, out; maps flattened with channels last."""
    with h5py.File(path, "w") as file:

        def write(layer: str, **weights: Tensor) -> None:
            for name, value in weights.items():
                file[f"{layer}/{layer}/{name}:0"] = value.numpy()

        for index in (1, 2, 3, 4):
            write(
                f"conv2d_{index + 8}",  # numbers go on from networks built before
                kernel=state[f"body.conv{index}.weight"].permute(2, 3, 1, 0),
                bias=state[f"body.conv{index}.bias"],
            )
            norm = f"body.norm{index}"
            write(
                f"batch_normalization_{index + 8}",
                gamma=state[f"{norm}.weight"],
                beta=state[f"{norm}.bias"],
                moving_mean=state[f"{norm}.running_mean"],
                moving_variance=state[f"{norm}.running_var"] + 1e-5 - 1e-3,
            )
        first = state["body.head.fc1.weight"].reshape(16, 16, 8, 8).permute(2, 3, 1, 0)
        write("dense_3", kernel=first.reshape(1024, 16), bias=state["body.head.fc1.bias"])
        last = state["body.head.fc2.weight"].T
        write("dense_4", kernel=last, bias=state["body.head.fc2.bias"])


@pytest.fixture
def meso4() -> torch.nn.Module:
    return network({"name": "meso4"}, 256, input=KERAS_INPUT, fake_class=0)


@pytest.fixture
def keras_file(tmp_path: Path, meso4: torch.nn.Module) -> Path:
    write_keras(tmp_path / "meso.h5", meso4.state_dict())
    return tmp_path / "meso.h5"


def test_keras_weights_keep_their_logits(
    keras_file: Path, meso4: torch.nn.Module, tmp_path: Path
) -> None:
    manifest, _ = imported("mesonet-h5", keras_file, tmp_path / "out")
    assert_same_logits(manifest, meso4)


def test_the_port_keeps_its_logits(tmp_path: Path) -> None:
    original = network(
        {"name": "meso4", "classes": 2},
        224,
        input={"mean": [0.4489, 0.3352, 0.3106], "std": [0.2380, 0.1965, 0.1962]},
        fake_class=0,
    )
    state = original.state_dict()
    for shared, other in (("norm1", "norm2"), ("norm3", "norm4")):
        for name in [n for n in state if n.startswith(f"body.{other}.")]:
            state[name].copy_(state[name.replace(other, shared)])
    port: State = {}
    for index in (1, 2, 3, 4):
        state[f"body.conv{index}.bias"].zero_()
        port[f"conv{index}.weight"] = state[f"body.conv{index}.weight"]
    for old, new in (("norm1", "bn1"), ("norm3", "bn2"), ("head.fc1", "fc1"), ("head.fc2", "fc2")):
        port |= {
            n.replace(f"body.{old}", new): v
            for n, v in state.items()
            if n.startswith(f"body.{old}.")
        }
    source = tmp_path / "meso.pt"
    torch.save({"epoch": 3, "state_dict": {f"module.{n}": v for n, v in port.items()}}, source)
    manifest, _ = imported("fakeavceleb-meso", source, tmp_path / "out")
    assert_same_logits(manifest, original)


# GenConViT ---------------------------------------------------------------------------------------


def test_a_network_of_genconvit_keeps_its_logits(tmp_path: Path) -> None:
    spec = {"name": "genconvit", "architecture": "test_convnext", "networks": "ed"}
    original = network(spec, 224, fake_class=0)
    state = {"embedder.norm.bias": torch.zeros(1), "backbone.patch_embed.proj.bias": torch.zeros(1)}
    for name, value in original.state_dict().items():
        own = name.removeprefix("body.networks.ed.")
        state[re.sub(r"^generator\.(\w+)\.", r"\1.features.", own)] = value
    source = tmp_path / "ed.pth"
    torch.save(state, source)
    out = tmp_path / "out"
    manifest, lines = imported("genconvit", source, out, architecture="test_convnext")
    assert_same_logits(manifest, original)
    assert sum("left out model_ed." in line for line in lines) == 2


# What an import writes and says ------------------------------------------------------------------


def test_licence_source_and_digests_are_kept(keras_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path, lines = imported("mesonet-h5", keras_file, out, licence=None)
    weights = read_manifest(path).weights
    assert weights is not None
    assert (weights.licence, weights.source) == ("Apache-2.0", KINDS["mesonet-h5"].repository)
    assert weights.sha256 == sha256(out / weights.file)
    record = json.loads((out / "foreign.json").read_text())
    # without the importing machine's folders
    assert record["sources"] == [{"url": "meso.h5", "sha256": sha256(keras_file)}]
    assert len(record["proof"]) == 3
    card = (out / "foreign.md").read_text()
    assert "Apache-2.0" in card
    assert f"| source | meso.h5, sha256 `{sha256(keras_file)}` |" in card
    assert any("three crops" in line for line in lines)


def test_the_manifest_can_be_packed_where_it_lies(keras_file: Path, tmp_path: Path) -> None:
    path, _ = imported("mesonet-h5", keras_file, tmp_path / "out", task="classifier")
    archive = build_archive(path, tmp_path / "archives")
    assert archive.manifest.network is not None
    with zipfile.ZipFile(archive.path) as packed:
        assert "model_handlers/networks/zoo/mesonet.py" in packed.namelist()


# What an import refuses --------------------------------------------------------------------------


def refused(kind: str, source: Path | list[Path], out: Path, reason: str, **options: Any) -> None:
    with pytest.raises(CheckpointError, match=reason):
        imported(kind, source, out, **options)
    assert not out.exists()


def test_a_file_that_the_kind_does_not_know_needs_a_digest(
    keras_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refused("mesonet-h5", keras_file, out, "none of the published files", sha256=())
    refused("mesonet-h5", keras_file, out, "instead of", sha256=("0" * 64,))


def test_each_of_several_files_needs_a_digest(keras_file: Path, tmp_path: Path) -> None:
    both, out = [keras_file, keras_file], tmp_path / "out"
    refused("mesonet-h5", both, out, "its weights are one file")
    refused("genconvit", both, out, "a sha256 for each source", sha256=("0" * 64,))


def test_weights_without_a_stated_licence_need_one(tmp_path: Path) -> None:
    source = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(1)}, source)
    refused("fakeavceleb-meso", source, tmp_path / "out", "--licence", licence=None)


def test_an_unknown_kind_is_named_with_the_known_ones(keras_file: Path, tmp_path: Path) -> None:
    refused("mesonet", keras_file, tmp_path / "out", "no kind 'mesonet'; there are .*mesonet-h5")


def test_further_tensors_are_listed(keras_file: Path, tmp_path: Path) -> None:
    with h5py.File(keras_file, "a") as file:
        file["dense_9/dense_9/scale:0"] = np.zeros(2, np.float32)
    with h5py.File(keras_file, "a") as file:
        file["extra/extra/scale:0"] = np.zeros(2, np.float32)
        del file["dense_9"]
    refused("mesonet-h5", keras_file, tmp_path / "out", "unexpected: extra/scale")


def test_missing_tensors_are_listed(keras_file: Path, tmp_path: Path) -> None:
    with h5py.File(keras_file, "a") as file:
        del file["batch_normalization_9/batch_normalization_9/beta:0"]
    refused("mesonet-h5", keras_file, tmp_path / "out", "missing: batch_normalization_9/beta")


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code of the checkpoint",))


def test_code_in_a_checkpoint_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, write in (("zip.pt", torch.save), ("plain.pkl", _pickle)):
        source = tmp_path / name
        write({"state_dict": Malicious()}, source)
        refused("fakeavceleb-meso", source, tmp_path / "out", "not only tensors")
    assert capsys.readouterr().out == ""


def test_a_model_that_was_saved_whole_is_refused_with_what_to_save(tmp_path: Path) -> None:
    source = tmp_path / "whole.pth"
    torch.save(torch.nn.Linear(2, 2), source)
    refused("cnndetection", source, tmp_path / "out", r"a torch\.nn\.modules\.linear\.Linear")
    refused("cnndetection", source, tmp_path / "out", r"torch\.save\(model\.state_dict\(\), path\)")


def test_a_checkpoint_of_timms_training_is_read_with_its_moving_average(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    average = ModelEmaV3(model)
    average.module.weight.data.fill_(3)
    saver = CheckpointSaver(
        model,
        torch.optim.AdamW(model.parameters()),
        Namespace(model="efficientnet_b0", lr=0.1),
        average,
        checkpoint_dir=str(tmp_path),
        recovery_dir=str(tmp_path),
    )
    saver.save_checkpoint(0, metric=0.5)
    state = read_state(tmp_path / "last.pth.tar")
    assert state["weight"].tolist() == [[3, 3], [3, 3]]


def _pickle(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.pt", b""), ("a.pt", b"hello"), ("a.safetensors", b"hello"), ("a.pth", b"PK\x03\x04oops")],
)
def test_a_file_of_another_kind_is_no_checkpoint(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError):
        read_state(tmp_path / name)


def test_wrappers_and_prefixes_are_removed(tmp_path: Path) -> None:
    state = {"module.a": torch.ones(2)}
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"model": state, "epoch": 1}, tmp_path / "b.pth")
    assert list(read_state(tmp_path / "a.safetensors")) == ["a"]
    assert list(read_state(tmp_path / "b.pth")) == ["a"]


def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 1}, tmp_path / "a.pt")
    torch.save([1, 2], tmp_path / "b.pt")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(CheckpointError, match="state dict"):
            read_state(tmp_path / name)
