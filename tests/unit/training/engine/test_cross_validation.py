"""Training on real swaps, and out-of-fold evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from deepfake_serving.training.cli import app
from deepfake_serving.training.data import landmarks
from deepfake_serving.training.data.face_regions import face_regions
from deepfake_serving.training.data.media import MediaFile, read_media
from deepfake_serving.training.data.pairs import PairConfig, PairGenerator
from deepfake_serving.training.data.portraits import Portrait, Swap
from deepfake_serving.training.data.swaps import read_swaps
from deepfake_serving.training.engine.cross_validation import assign_folds, train_with_swaps
from deepfake_serving.training.engine.run_folder import CHECKPOINT, NETWORK
from deepfake_serving.training.evaluate.fold_predictors import FoldPredictors
from deepfake_serving.training.evaluate.run import EvaluationRequest, evaluate
from model_handlers.manifest import CropSpec, read_manifest
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector
from tests.support.paths import MANIFESTS
from tests.unit.training.conftest import write_clip


@pytest.fixture(scope="module")
def media(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes clips and "swaps" (green faces) of two people, and a clip of a third."""
    root = tmp_path_factory.mktemp("swaps")
    for number in (1, 2):
        real = [astronaut[k : k + 320, 40 + k : 400 + k].copy() for k in range(0, 24, 2)]
        fake = []
        for position, frame in enumerate(real):
            green, shift = frame.copy(), 2 * position
            green[58 - shift : 175 - shift, 137 - shift : 230 - shift, 1] = 255
            fake.append(green)
        write_clip(root / f"real/v{number}.mp4", real)
        write_clip(root / f"fake/vs{number}.mp4", fake)
    write_clip(root / "real/v3.mp4", [astronaut[:320, :320]] * 3)
    return root


@pytest.fixture(scope="module")
def swaps(
    media: Path, face_detector: FaceDetector, tmp_path_factory: pytest.TempPathFactory
) -> list[Swap]:
    return read_swaps(read_media(media), face_detector, 4, tmp_path_factory.mktemp("kept"))


def test_a_swap_has_the_same_region_before_and_after(swaps: list[Swap]) -> None:
    assert len(swaps) == 8
    assert {s.portrait.identity for s in swaps} == {"1", "2"}
    for swap in swaps:
        real = swap.portrait.pixels().astype(int)
        fake = cv2.imread(str(swap.fake))[:, :, ::-1].astype(int)
        assert real.shape == fake.shape
        x1, y1, x2, y2 = (int(v) for v in swap.portrait.box)
        inside = np.zeros(real.shape[:2], bool)
        inside[y1:y2, x1:x2] = True
        changed = np.abs(real - fake)[:, :, 1] > 40
        assert changed[inside].mean() > 0.5, "the face was swapped"
        assert changed[~inside].mean() < 0.1, "and nothing else: the frames are the same"
        left, top = swap.portrait.points.min(0)
        right, bottom = swap.portrait.points.max(0)
        assert x1 < left < right < x2
        assert y1 < top < bottom < y2


def test_swaps_are_indexed_once(media: Path, face_detector: FaceDetector, tmp_path: Path) -> None:
    once = read_swaps(read_media(media), face_detector, 2, tmp_path)
    written = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    again = read_swaps(read_media(media), face_detector, 2, tmp_path)
    assert [s.fake for s in again] == [s.fake for s in once]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == written


def test_media_without_a_pair_are_refused(
    media: Path, face_detector: FaceDetector, tmp_path: Path
) -> None:
    alone = [m for m in read_media(media) if m.path.stem in {"v3", "vs1"}]
    with pytest.raises(ValueError, match="a real and a fake media file"):
        read_swaps(alone, face_detector, 2, tmp_path)


def test_the_share_of_swaps_is_kept(portraits: list[Portrait], swaps: list[Swap]) -> None:
    def green(share: float) -> float:
        """Returns the share of pairs whose fake has a green face, which only swaps have."""
        generator = PairGenerator(portraits, PairConfig(swap_share=share), None, swaps)
        greener = []
        for index in range(8):
            for generation in range(4):
                real, fake, _ = generator.crops(2 * generation, index, CropSpec(size=64))
                more = fake.astype(int)[:, :, 1] - real.astype(int)[:, :, 1]
                greener.append(bool(more[24:40, 24:40].mean() > 50))
        return float(np.mean(greener))

    assert green(0.0) == 0
    assert 0.25 < green(0.5) < 0.75
    assert green(1.0) > 0.85, "augmentation turns some grey"
    with pytest.raises(ValueError, match="needs swaps"):
        PairGenerator(portraits, PairConfig(swap_share=0.5), None)


def test_folds_are_even_and_reproducible() -> None:
    people = [f"{n}" for n in range(11)]
    media = [MediaFile(Path(f"{p}{f}.png"), f, "", p) for p in people for f in (False, True)]
    drawn = assign_folds(media, 4, 0)
    assert sorted(drawn) == sorted(people)
    sizes = [list(drawn.values()).count(fold) for fold in range(4)]
    assert max(sizes) - min(sizes) <= 1
    assert assign_folds(media[::-1], 4, 0) == drawn != assign_folds(media, 4, 1)
    with pytest.raises(ValueError, match="there are 11"):
        assign_folds(media, 12, 0)


def test_every_identity_is_scored_out_of_fold(
    portraits: list[Portrait],
    media: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the command line: two folds and their average; then an evaluation by the folds."""
    data = yaml.safe_load((MANIFESTS / "detector.yaml").read_text())
    data |= {"name": "tiny", "crop": {"size": 64}, "reference": None, "weights": None}
    data["encoder"]["architecture"] = "test_efficientnet"
    manifest = tmp_path / "tiny.yaml"
    manifest.write_text(yaml.safe_dump(data))
    spec = tmp_path / "spec.yaml"
    pairs = {"held_out": 0, "swap_share": 1.0, "swap_frames": 2}
    settings = {"model": str(manifest), "initial": "scratch", "epochs": 1, "batch_size": 8}
    spec.write_text(yaml.safe_dump({**settings, "data": pairs, "precision": "fp32"}))
    seen: dict[str, set[str]] = {}
    created = PairGenerator.__init__

    def watched(self: PairGenerator, *arguments: object) -> None:
        created(self, *arguments)  # type: ignore[arg-type]
        seen[f"{len(seen)}"] = {p.identity for p in self.portraits if p.group == "frames"} | {
            swap.portrait.identity for swap in self.swaps
        }

    monkeypatch.setattr(PairGenerator, "__init__", watched)
    run, cache = tmp_path / "run", tmp_path / "cache"
    arguments = ["train", str(portraits[0].path.parent), "--spec", str(spec), "--out", str(run)]
    arguments += ["--swaps", str(media), "--folds", "2", "--workers", "0", "--cache", str(cache)]
    arguments += ["--track", "tensorboard"]
    response = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert response.exit_code == 0
    with pytest.raises(ValueError, match="other folds"):
        train_with_swaps(portraits[0].path.parent, media, spec, run, 1, 0, "none", cache)
    drawn = json.loads((run / "folds.json").read_text())
    identities = {"1", "2"}
    left_out = [{p for p in identities if drawn[p] == fold} for fold in (0, 1)]
    assert list(seen.values()) == [identities - left_out[0], identities - left_out[1]]
    whole, *folds = (load_file(run / part / NETWORK) for part in ("", "fold-0", "fold-1"))
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor * 2, folds[0][name] + folds[1][name])

    classifiers = FoldPredictors(read_manifest(manifest), run)
    for media_file in read_media(media):
        expected = run / f"fold-{drawn[media_file.identity]}" / NETWORK
        assert classifiers.weights(media_file) == expected
    with pytest.raises(ValueError, match="no fold left out 'stranger'"):
        classifiers(MediaFile(Path("stranger.png"), False, "real", "stranger"))

    done = evaluate(EvaluationRequest(media, manifest, folds=run, frames=2, corrupted=False))
    assert done.about["folds"] == "run"
    assert "--folds run" in done.about["command"]
    for media_file in read_media(media):
        alone = classifiers(media_file)(
            face_regions(media_file, 2, landmarks.build_face_detector())
        )
        path = media_file.path.relative_to(media).as_posix()
        found = [score.logit for score in done.scores if score.path == path]
        assert found == pytest.approx(alone.logits.tolist(), abs=1e-4)
    assert list((run / "fold-1").rglob("events.out.tfevents*")), "each fold is tracked"
    refused = CliRunner().invoke(app, [*arguments, "--media", str(media)])
    assert refused.exit_code == 2
    assert (run / "fold-0" / CHECKPOINT).exists()
