"""The trainer on eight pairs and a small network: it learns, resumes and is reproducible."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import TrainingConfig, read_config
from deepfake_serving.training.data.loader import PairLoader
from deepfake_serving.training.data.pairs import PairConfig, PairGenerator
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.engine.distributed import DistributedContext
from deepfake_serving.training.engine.initialization import initialize_network, lite0_weights
from deepfake_serving.training.engine.run_folder import CHECKPOINT, LOG, NETWORK
from deepfake_serving.training.engine.tracking import Kind, create_tracker
from deepfake_serving.training.engine.trainer import Trainer, Validate
from model_handlers.manifest import Manifest, parse_manifest
from model_handlers.networks.network import Network, build_network
from tests.support.paths import ROOT
from tests.support.small_manifests import LITE0_ENCODER, small_manifest

PRESETS = ROOT / "config" / "training"
SMALL = small_manifest(head={"channels": 32, "dropout": 0.0})
LITE0 = SMALL | {"encoder": LITE0_ENCODER}

EPOCHS = 24
"""Enough to overfit eight pairs."""


def manifest(given: dict[str, object] = SMALL) -> Manifest:
    return parse_manifest(given, "small.yaml")


def config(**values: object) -> TrainingConfig:
    given: dict[str, object] = {
        "model": "config/models/detector.yaml",
        "initial": "scratch",
        "epochs": 2,
        "batch_size": 8,
        "optimizer": {"lr": 1e-3},
        "schedule": {"name": "constant", "warmup_steps": 0},
        "data": {"reuse": 1},
        "precision": "fp32",
    }
    return TrainingConfig.model_validate(given | values)


def trainer(
    run: TrainingConfig,
    portraits: list[Portrait],
    out: Path,
    validate: Validate | None = None,
    track: Kind = "none",
    reuse: int = 1,
    model: dict[str, object] = SMALL,
) -> Trainer:
    pairs = PairGenerator(portraits, PairConfig(reuse=reuse), out / "cache")
    loader = PairLoader(pairs, manifest().crop, run.batch_size // 2, workers=0)
    network = initialize_network(manifest(model), run.initial, run.seed)
    alone = DistributedContext(0, 1, torch.device("cpu"))
    tracker = create_tracker(track, out, run.model_dump())
    return Trainer(run, manifest(model), network, loader, out, alone, tracker, validate)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_training_overfits_eight_pairs(portraits: list[Portrait], tmp_path: Path) -> None:
    run = config(epochs=EPOCHS, batch_size=16, initial="imagenet", ema=0.9)
    network = trainer(run, portraits, tmp_path, reuse=EPOCHS, model=LITE0).run()
    pairs = PairGenerator(portraits, PairConfig(reuse=EPOCHS), tmp_path / "cache")
    loader = PairLoader(pairs, manifest().crop, 8, workers=0)
    ((crops, labels, _),) = loader.epoch(EPOCHS - 1)
    with torch.inference_mode():
        scores = network(crops.float())
        fresh = initialize_network(manifest(LITE0), "imagenet", 0)(crops.float())
    assert roc_auc_score(labels, scores) > 0.95
    assert roc_auc_score(labels, fresh) < 0.85, "they could be separated without learning"
    losses = [json.loads(line)["loss"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert len(losses) == EPOCHS
    assert np.mean(losses[-5:]) < 0.6 * losses[0]


def test_the_same_seed_gives_the_same_weights(portraits: list[Portrait], tmp_path: Path) -> None:
    first, again = (trainer(config(), portraits, tmp_path / name).run() for name in ("a", "b"))
    other = trainer(config(seed=1), portraits, tmp_path / "c").run()
    assert equal(first.state_dict(), again.state_dict())
    assert not equal(first.state_dict(), other.state_dict())


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
def test_a_resumed_run_ends_with_identical_weights(
    after: int, portraits: list[Portrait], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is interrupted in the middle of the first epoch and of the second."""
    whole = trainer(config(), portraits, tmp_path / "whole").run()
    cut = trainer(config(), portraits, tmp_path / "cut")
    cut.save_every = 1
    step, done = cut._step, 0

    def fail_after(batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> float:
        nonlocal done
        if done == after:
            raise Killed
        done += 1
        return step(batch)

    monkeypatch.setattr(cut, "_step", fail_after)
    with pytest.raises(Killed):
        cut.run()
    resumed = trainer(config(), portraits, tmp_path / "cut").run()
    assert equal(whole.state_dict(), resumed.state_dict())
    assert (tmp_path / "cut" / LOG).read_text() == (tmp_path / "whole" / LOG).read_text()
    assert equal(load_file(tmp_path / "cut" / NETWORK), load_file(tmp_path / "whole" / NETWORK))


def test_a_run_with_other_settings_is_not_resumed(
    portraits: list[Portrait], tmp_path: Path
) -> None:
    trainer(config(epochs=1), portraits, tmp_path).run()
    with pytest.raises(ValueError, match="other settings"):
        trainer(config(epochs=1, seed=9), portraits, tmp_path).run()
    with pytest.raises(ValueError, match="other images"):
        trainer(config(epochs=1), portraits[:6], tmp_path).run()


def test_a_loss_that_is_not_finite_ends_the_run(portraits: list[Portrait], tmp_path: Path) -> None:
    created = trainer(config(optimizer={"lr": 1e30}), portraits, tmp_path)
    with pytest.raises(ValueError, match=r"the loss of step \d is (nan|inf)"):
        created.run()


def test_the_best_epoch_by_validation_is_kept(portraits: list[Portrait], tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    aucs = iter([0.6, 0.9, 0.7])

    def validate(network: Network) -> dict[str, float]:
        seen.append({name: t.clone() for name, t in network.state_dict().items()})
        return {"auc": next(aucs), "loss": 1.0}

    trainer(config(epochs=3), portraits, tmp_path, validate).run()
    kept = load_file(tmp_path / NETWORK)
    assert equal(kept, seen[1])
    assert not equal(kept, seen[2])


def test_validation_may_begin_in_a_resumed_run(portraits: list[Portrait], tmp_path: Path) -> None:
    """Epochs without validation are no better than any that has it."""
    cut = trainer(config(epochs=3), portraits, tmp_path)
    epoch = cut._train_epoch
    epochs = iter([epoch, epoch])
    cut._train_epoch = lambda progress: next(epochs)(progress)  # type: ignore[method-assign]
    with pytest.raises(StopIteration):
        cut.run()
    before = load_file(tmp_path / NETWORK)
    validate: Validate = lambda _: {"auc": 0.6, "loss": 1.0}  # noqa: E731
    last = trainer(config(epochs=3), portraits, tmp_path, validate).run()
    assert equal(load_file(tmp_path / NETWORK), last.state_dict())
    assert not equal(before, last.state_dict())


def test_the_learning_rate_falls_on_a_plateau(portraits: list[Portrait], tmp_path: Path) -> None:
    run = config(epochs=4, schedule={"name": "plateau", "warmup_steps": 0, "patience": 1})
    trainer(run, portraits, tmp_path, lambda _: {"auc": 0.5, "loss": 1.0}).run()
    rates = [json.loads(line)["lr"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert rates == [1.0, 1.0, 1.0, 0.1]


@pytest.mark.parametrize(
    ("track", "pattern"), [("tensorboard", "events.*"), ("mlflow", "metrics/loss")]
)
def test_metrics_are_logged_to_the_tracker(
    track: Kind, pattern: str, portraits: list[Portrait], tmp_path: Path
) -> None:
    created = trainer(config(epochs=1), portraits, tmp_path, track=track)
    created.run()
    created.tracker.close()
    (store,) = tmp_path.rglob(pattern)
    loss = json.loads((tmp_path / LOG).read_text())["loss"]
    assert (
        b"loss" in store.read_bytes() if track == "tensorboard" else str(loss) in store.read_text()
    )


@pytest.mark.parametrize(
    "path", sorted(PRESETS.glob("*-[0-9][0-9][0-9]-*.yaml")), ids=lambda p: p.stem
)
def test_presets_match_their_names(path: Path) -> None:
    preset = read_config(path)
    size, optimizer = path.stem.split("-")[1:]
    adapted = training_manifest(preset)
    assert adapted.crop.size == int(size)
    assert adapted.encoder.architecture.endswith(path.stem.split("-")[0])
    assert optimizer in (preset.optimizer.name, preset.schedule.name)
    assert preset.loss.label_smoothing == 0


def test_an_unknown_setting_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump({"model": "x.yaml", "epohcs": 3}))
    with pytest.raises(ValueError, match="epohcs"):
        read_config(file)


def test_imagenet_weights_classify_a_cat() -> None:
    """Names are matched by order: with one tensor in the wrong position the test fails."""
    import skimage.data
    import timm
    from torch.nn import functional

    model = timm.create_model("tf_efficientnet_lite0").eval()
    model.load_state_dict(lite0_weights())
    cat = torch.from_numpy(skimage.data.chelsea().copy()).permute(2, 0, 1)[None, :, :300, 75:375]
    small = functional.interpolate(cat.float() / 127.5 - 1, (224, 224), mode="bilinear")
    with torch.inference_mode():
        best = int(model(small).argmax())
    assert best in (281, 282, 285), "tabby, tiger cat or Egyptian cat of ImageNet-1k"


def test_imagenet_initialization_zeroes_the_noise_channels() -> None:
    """The noise planes have zero weights at first, so the encoder equals the RGB encoder."""
    network = initialize_network(manifest(LITE0), "imagenet", 0)
    stem = network.encoder.get_parameter("conv_stem.weight")
    assert stem.shape[1] == 12
    assert torch.equal(stem[:, :3], lite0_weights()["conv_stem.weight"])
    assert stem[:, 3:].abs().max() == 0


def test_training_can_start_from_a_checkpoint(portraits: list[Portrait], tmp_path: Path) -> None:
    trained = trainer(config(epochs=1), portraits, tmp_path).run()
    started = initialize_network(manifest(), str(tmp_path / NETWORK), 0)
    assert equal(started.state_dict(), trained.state_dict())
    assert not equal(started.state_dict(), build_network(manifest()).state_dict())


@pytest.mark.slow
def test_two_processes_train_together(portraits: list[Portrait], tmp_path: Path) -> None:
    """torchrun's two processes (Gloo) end with one set of weights, written once."""
    faces = tmp_path / "faces"
    faces.mkdir()
    for portrait in portraits:
        (faces / portrait.path.name).write_bytes(portrait.path.read_bytes())
    command = _run_of(tmp_path, faces, epochs=1)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launcher, *command[1:]], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len((tmp_path / "run" / LOG).read_text().splitlines()) == 1
    assert load_file(tmp_path / "run" / NETWORK)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_is_resumed(portraits: list[Portrait], tmp_path: Path) -> None:
    """After kill -9 the same command resumes and ends with all epochs in the log.

    The epochs after the first checkpoint take much longer than noticing it.
    """
    epochs = 12
    faces = tmp_path / "faces"
    faces.mkdir()
    for portrait in portraits:
        (faces / portrait.path.name).write_bytes(portrait.path.read_bytes())
    command = _run_of(tmp_path, faces, epochs)
    checkpoint = tmp_path / "run" / CHECKPOINT
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 300
        while not checkpoint.exists() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert checkpoint.exists()
    before = len((tmp_path / "run" / LOG).read_text().splitlines())
    assert before < epochs
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    logged = [
        json.loads(line)["epoch"] for line in (tmp_path / "run" / LOG).read_text().splitlines()
    ]
    assert sorted(set(logged)) == list(range(1, epochs + 1))


def _run_of(tmp_path: Path, faces: Path, epochs: int) -> list[str]:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    settings = config(epochs=epochs, batch_size=4).model_dump(mode="json")
    settings |= {"model": str(tmp_path / "small.yaml")}
    settings["data"] |= {"held_out": 0, "reuse": epochs}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(settings))
    options = {"--spec": tmp_path / "spec.yaml", "--out": tmp_path / "run"}
    options |= {"--cache": tmp_path / "cache", "--workers": 0}
    flat = [str(part) for pair in options.items() for part in pair]
    return [sys.executable, "-m", "deepfake_serving.training", "train", str(faces), *flat]
