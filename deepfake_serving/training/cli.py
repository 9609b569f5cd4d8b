"""Command line of training: train, evaluate, calibrate, export and describe a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_BUILD = Path("build/training")


@app.callback()
def training() -> None:
    """Train, evaluate, calibrate, export and describe a model."""


@app.command()
def train(
    faces: Annotated[Path, typer.Argument(help="Folder of real portraits.")],
    spec: Annotated[Path, typer.Option(help="Settings of the run.")] = Path(
        "config/training/default.yaml"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the run; resumed if it is there.")] = (
        _BUILD / "run"
    ),
    media: Annotated[
        Path | None, typer.Option(help="Development media (real/, fake/): choose the best epoch.")
    ] = None,
    swaps: Annotated[
        Path | None, typer.Option(help="Media (real/, fake/) whose swaps are trained on, too.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="With --swaps: networks without one fold of people each.")
    ] = 5,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make pairs.")] = 2,
    track: Annotated[str, typer.Option(help="none, tensorboard or mlflow.")] = "none",
    cache: Annotated[Path, typer.Option(help="Folder for pairs and found faces.")] = (
        _BUILD / "cache"
    ),
) -> None:
    """Trains a network, or goes on where an interrupted run stopped."""
    from deepfake_serving.training.folds import train_with_swaps
    from deepfake_serving.training.tracking import Kind
    from deepfake_serving.training.train import run

    kind: Kind = track  # type: ignore[assignment]
    if swaps is None:
        run(faces, spec, out, media, (), workers, kind, cache)
    elif media is not None:
        raise typer.BadParameter("what is trained on can't choose the epoch", param_hint="--media")
    else:
        train_with_swaps(faces, swaps, spec, out, folds, workers, kind, cache)


@app.command()
def calibrate(
    scores: Annotated[Path, typer.Argument(help="scores.csv of an evaluation.")],
    out: Annotated[Path, typer.Option(help="Where the calibration goes.")] = (
        _BUILD / "calibration.json"
    ),
    folds: Annotated[int, typer.Option(min=2, help="Folds of identities.")] = 5,
) -> None:
    """Fits logit to probability on development scores and shows how it does out of fold."""
    from deepfake_serving.training.calibrate import Sample, fit
    from deepfake_serving.training.scores import read_scores

    sample = Sample.of([s for s in read_scores(scores) if s.variant == "as is"])
    calibrated = fit(sample, folds)
    calibrated.write(out)
    typer.echo(out.read_text(encoding="utf-8"))


@app.command()
def evaluate(
    media: Annotated[Path, typer.Argument(help="Folder with real/ and fake/.")],
    model: Annotated[Path, typer.Option(help="Manifest of the model.")] = Path(
        "config/models/detector.yaml"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="Else the manifest's own, under model_store/.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="URL of a running model server, which judges instead.")
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(help="A run with --swaps: who wasn't trained on a person judges it."),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a video.")] = 8,
    robustness: Annotated[
        bool, typer.Option(help="Also after compression, scaling, blur and noise.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = _BUILD / "evaluation",
    cache: Annotated[Path, typer.Option(help="Folder for found faces.")] = _BUILD / "cache",
) -> None:
    """Judges labelled media and writes figures with intervals, plots and a page."""
    from deepfake_serving.training.evaluate.run import evaluate as run

    run(media, model, out, weights, server, folds, frames, robustness, cache / "index")
    typer.echo(out / "index.html")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of the training run.")],
    model: Annotated[Path, typer.Option(help="Manifest of the model.")] = Path(
        "config/models/detector.yaml"
    ),
    also: Annotated[
        list[Path] | None, typer.Option(help="Another manifest with the same network.")
    ] = None,
    version: Annotated[str, typer.Option(help="Names the weights: NAME-VERSION.")] = "1.0",
    licence: Annotated[str, typer.Option(help="Of the weights, as SPDX says it.")] = "Apache-2.0",
    calibration: Annotated[Path | None, typer.Option(help="What `calibrate` wrote.")] = None,
    formats: Annotated[str, typer.Option(help="With commas.")] = "safetensors,onnx,openvino",
    crops: Annotated[Path | None, typer.Option(help="Face crops to check on, too.")] = None,
    bound: Annotated[float, typer.Option(help="Largest difference of a probability.")] = 1e-3,
    out: Annotated[Path, typer.Option(help="Folder of the weights.")] = Path("model_store"),
    graphs: Annotated[Path, typer.Option(help="Of the other formats.")] = _BUILD / "export",
) -> None:
    """Halves the weights, proves every format equal, and enters the weights into the manifests."""
    from deepfake_serving.training.export.check import ExportError
    from deepfake_serving.training.export.run import export as bring

    try:
        done = bring(
            *(run, model, also or [], version, licence, out, graphs),
            *(calibration, formats.split(","), crops, bound),
        )
    except ExportError as error:
        typer.echo(f"export: {error}", err=True)
        raise typer.Exit(2) from error
    for name, found in done.checks:
        differences = f"logit {found.logit:.2g}, probability {found.probability:.2g}"
        typer.echo(f"{name}: at most {differences} over {found.crops} crops")
    typer.echo(f"{done.sha256}  {done.weights}")


@app.command()
def attack(
    media: Annotated[Path, typer.Argument(help="Folder with real/ and fake/.")],
    model: Annotated[Path, typer.Option(help="Manifest of the model.")] = Path(
        "config/models/detector.yaml"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="Else the manifest's own, under model_store/.")
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Crops, half of them real.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Of each attack.")] = 10,
    seed: Annotated[int, typer.Option(help="Draws the crops.")] = 0,
    poison: Annotated[
        Path | None, typer.Option(help="Portraits: also train a copy on poisoned pairs.")
    ] = None,
    poison_steps: Annotated[int, typer.Option(min=1, help="Of that training.")] = 60,
    out: Annotated[Path, typer.Option(help="Folder of attacks.json.")] = _BUILD / "attacks",
    cache: Annotated[Path, typer.Option(help="Folder for found faces.")] = _BUILD / "cache",
) -> None:
    """Attacks the network with its weights in hand (PGD, a patch) and through its training data."""
    from deepfake_serving.training.attack.run import attack as run
    from deepfake_serving.training.evaluate.run import pinned_weights
    from model_handlers.manifest import read_manifest

    index = cache / "index"
    weights = weights or pinned_weights(read_manifest(model))
    if weights is None:
        raise typer.BadParameter(f"{model} has no weights to attack", param_hint="--weights")
    run(media, model, weights, out, count, steps, seed, index, poison, poison_steps, typer.echo)
    typer.echo(out / "attacks.json")


@app.command()
def card(
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="Folder of an evaluation; may be given again.")
    ] = None,
    attacks: Annotated[Path, typer.Option(help="Folder of the attacks.")] = _BUILD / "attacks",
    calibration: Annotated[Path, typer.Option(help="What `calibrate` wrote.")] = (
        _BUILD / "calibration.json"
    ),
    exported: Annotated[
        Path | None, typer.Option("--export", help="The file beside the weights.")
    ] = None,
    facts: Annotated[Path, typer.Option(help="What no program can measure.")] = Path(
        "config/training/data-card.yaml"
    ),
    out: Annotated[Path, typer.Option(help="The card.")] = Path("docs/models/detector.md"),
) -> None:
    """Writes the model card from the figures of the other commands."""
    from deepfake_serving.training.card.inputs import read_inputs
    from deepfake_serving.training.card.write import write_card

    evaluations = evaluation or [_BUILD / "evaluation"]
    write_card(read_inputs(facts, evaluations, attacks, calibration, exported), out)
    typer.echo(out)


def main() -> None:
    app()
