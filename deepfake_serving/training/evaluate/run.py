"""One evaluation, put together from its parts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepfake_serving.assets import MODEL_STORE
from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.training.data.locate import finder
from deepfake_serving.training.evaluate.breakdown import parts
from deepfake_serving.training.evaluate.disturb import disturbances
from deepfake_serving.training.evaluate.judging import Answers, judge_media
from deepfake_serving.training.evaluate.mistakes import Mistake, cut, worst
from deepfake_serving.training.evaluate.record import Evaluation
from deepfake_serving.training.evaluate.robustness import robustness
from deepfake_serving.training.evaluate.server_judge import ServerJudge
from deepfake_serving.training.folds import FoldJudges
from deepfake_serving.training.judge import Judge, LocalJudge
from deepfake_serving.training.material import Medium, read_media
from deepfake_serving.training.report.report import write_report
from deepfake_serving.training.trainer import NETWORK
from model_handlers.manifest import Manifest, ManifestError, read_manifest
from model_handlers.pipeline.faces import FaceFinder


def evaluate(
    root: Path,
    model: Path,
    out: Path,
    weights: Path | None = None,
    server: str | None = None,
    folds: Path | None = None,
    frames: int = 8,
    disturbed: bool = True,
    cache: Path | None = None,
) -> Evaluation:
    """Judges the media below `root` (real/, fake/) and writes the report into `out`.

    Args:
        model: a manifest; with `server` only its thresholds, face finder and crop are used.
        weights: else the manifest's own, and an untrained network where it names none.
        server: URL of a running model server that judges instead of this process.
        folds: folder of a run with swaps: each medium is judged by the network that was trained
            without its person.
        disturbed: also judge after compression, scaling, blur and noise.

    Raises:
        ManifestError: the manifest can't be used or its weights aren't those it pins.
        ValueError: there are no media, or none shows a face.
    """
    manifest, media = read_manifest(model), read_media(root)
    file = _weights(manifest, weights, server, folds)
    served = ServerJudge(server) if server else None
    judge_of = (
        FoldJudges(manifest, folds) if folds else _always(served or LocalJudge(manifest, file))
    )
    faces = finder(manifest.faces)
    variants = disturbances() if disturbed else []
    answers = judge_media(media, root, judge_of, faces, frames, variants, cache)
    about = {
        "model": f"{manifest.name} {manifest.version}",
        "manifest digest": digest_of(model),
        "weights": file and file.name,
        "weights digest": file and digest_of(file),
        "server's model": served and served.described,
        "folds": folds and folds.name,
        "command": _command(root, model, weights, server, folds, frames, disturbed),
    }
    reals, fakes = _mistakes(answers, media, root, faces, manifest, frames, cache)
    evaluation = Evaluation(
        about | _material(root, media, answers),
        answers.scores,
        parts(answers.scores, manifest.thresholds),
        robustness(answers.scores, variants),
        reals,
        fakes,
    )
    write_report(evaluation, manifest.thresholds, out)
    return evaluation


def pinned_weights(manifest: Manifest) -> Path | None:
    """The weights that the manifest names, below `model_store/`; None where it names none.

    Raises:
        ManifestError: they are missing or of another digest.
    """
    if manifest.weights is None:
        return None
    path = MODEL_STORE / manifest.weights.file
    if not path.is_file() or digest_of(path) != f"sha256:{manifest.weights.sha256}":
        raise ManifestError(f"{manifest.name}: {manifest.weights.file}: missing or of other sha256")
    return path


def _weights(
    manifest: Manifest, weights: Path | None, server: str | None, folds: Path | None
) -> Path | None:
    """Of the network that is judged; for folds the one that they stand for, trained on all."""
    if server:
        return None
    return folds / NETWORK if folds else weights or pinned_weights(manifest)


def _always(judge: Judge) -> Callable[[Medium], Judge]:
    return lambda _: judge


def _mistakes(
    answers: Answers,
    media: Sequence[Medium],
    root: Path,
    faces: FaceFinder,
    manifest: Manifest,
    frames: int,
    cache: Path | None,
) -> tuple[list[Mistake], list[Mistake]]:
    reals, fakes = (worst(answers.scores, fake) for fake in (False, True))
    crops = cut([*reals, *fakes], media, root, faces, manifest.crop, frames, cache)
    return crops[: len(reals)], crops[len(reals) :]


def _material(root: Path, media: Sequence[Medium], answers: Answers) -> dict[str, Any]:
    return {
        "media": root.resolve().name,
        "media real": sum(not medium.fake for medium in media),
        "media fake": sum(medium.fake for medium in media),
        "media without a face": len(answers.faceless),
    }


def _command(
    root: Path,
    model: Path,
    weights: Path | None,
    server: str | None,
    folds: Path | None,
    frames: int,
    disturbed: bool,
) -> str:
    """The command with names instead of paths, which are the machine's own affair."""
    words = [
        "python",
        "-m",
        "deepfake_serving.training",
        "evaluate",
        root.resolve().name,
        "--model",
        model.name,
    ]
    words += ["--weights", weights.name] if weights else []
    words += ["--server", "URL"] if server else []
    words += ["--folds", folds.name] if folds else []
    words += ["--frames", str(frames), "--robustness" if disturbed else "--no-robustness"]
    return shlex.join(words)
