"""The command line of training: train, evaluate, calibrate, export, attack and describe a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepfake_serving.training import reporting
from deepfake_serving.training.gpu_cli import app as gpu_commands
from deepfake_serving.training.sources_cli import Tracking
from deepfake_serving.training.sources_cli import app as source_commands

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(source_commands)
app.add_typer(gpu_commands)

_BUILD = Path("build/training")

Manifest = Annotated[Path, typer.Option(help="Manifest of the model.")]
Weights = Annotated[
    Path | None, typer.Option(help="Weights; default: the manifest's, in model_store/.")
]
Media = Annotated[Path, typer.Argument(help="Folder with real/ and fake/.")]
FaceCache = Annotated[Path, typer.Option(help="Folder of detected faces.")]
_DETECTOR = Path("config/models/detector.yaml")


@app.callback()
def training(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show errors in full.")] = False,
) -> None:
    """Train, evaluate, calibrate, export, attack and describe a model."""
    reporting.full = traceback


@app.command()
def train(
    faces: Annotated[Path, typer.Argument(help="Folder of real portraits.")],
    spec: Annotated[Path, typer.Option(help="Settings of the run.")] = Path(
        "config/training/default.yaml"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the run; resumed if it exists.")] = (
        _BUILD / "run"
    ),
    media: Annotated[
        Path | None,
        typer.Option(help="Development media (real/, fake/) that select the best epoch."),
    ] = None,
    swaps: Annotated[
        Path | None, typer.Option(help="Media (real/, fake/) whose swaps are trained on as well.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="With --swaps: folds of the cross-validation; 0: none.")
    ] = 5,
    workers: Annotated[int, typer.Option(min=0, help="Processes that generate pairs.")] = 2,
    track: Tracking = "none",
    cache: Annotated[Path, typer.Option(help="Folder of cached pairs and detected faces.")] = (
        _BUILD / "cache"
    ),
) -> None:
    """Trains a network, or resumes an interrupted run."""
    from deepfake_serving.runtime.process.memory import return_no_memory
    from deepfake_serving.training.engine.cross_validation import train_with_swaps
    from deepfake_serving.training.engine.train import train as run

    return_no_memory()
    if swaps is None:
        run(faces, spec, out, media, (), workers, track, cache)
    elif media is not None:
        raise typer.BadParameter(
            "the epoch can't be selected on media that are trained on", param_hint="--media"
        )
    else:
        train_with_swaps(faces, swaps, spec, out, folds, workers, track, cache)


@app.command()
def calibrate(
    scores: Annotated[Path, typer.Argument(help="scores.csv of an evaluation.")],
    out: Annotated[Path, typer.Option(help="File for the calibration.")] = (
        _BUILD / "calibration.json"
    ),
    folds: Annotated[int, typer.Option(min=2, help="Folds over identities.")] = 5,
) -> None:
    """Fits a calibration to development scores and reports its out-of-fold metrics."""
    from deepfake_serving.training.calibration.sample import CalibrationSample
    from deepfake_serving.training.calibration.selection import FEW_IDENTITIES, select_calibration
    from deepfake_serving.training.predict.scores import UNCORRUPTED, read_scores

    uncorrupted = [s for s in read_scores(scores) if s.variant == UNCORRUPTED]
    sample = CalibrationSample.from_scores(uncorrupted)
    select_calibration(sample, folds).write(out)
    typer.echo(out.read_text(encoding="utf-8"))
    if (people := sample.identity_count) < FEW_IDENTITIES:
        typer.echo(f"fitted to {people} identities: it will hardly hold for others", err=True)


@app.command()
def evaluate(
    media: Media,
    model: Manifest = _DETECTOR,
    weights: Weights = None,
    server: Annotated[
        str | None, typer.Option(help="URL of a running model server that predicts instead.")
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(help="A run with --swaps: each person is scored out of fold."),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames sampled from a video.")] = 8,
    robustness: Annotated[
        bool, typer.Option(help="Also score after compression, downscaling, blur and noise.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = _BUILD / "evaluation",
    cache: FaceCache = _BUILD / "cache",
) -> None:
    """Evaluates a model on labelled media: metrics with intervals, plots and an HTML page."""
    from deepfake_serving.training.evaluate.run import EvaluationRequest
    from deepfake_serving.training.evaluate.run import evaluate as run
    from deepfake_serving.training.report.write import write_report

    out.mkdir(parents=True, exist_ok=True)
    request = EvaluationRequest(media, model, weights, server, folds, frames, robustness)
    write_report(run(request, cache / "index"), out)
    typer.echo(out / "index.html")


@app.command("evaluate-all")
def evaluate_all(
    media: Annotated[Path, typer.Argument(help="Folder of development sets.")],
    model: Manifest = _DETECTOR,
    weights: Weights = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames sampled from a video.")] = 6,
    robustness: Annotated[
        int,
        typer.Option(min=0, help="Files of each set and label to score under every corruption."),
    ] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = _BUILD / "development",
    cache: Annotated[Path, typer.Option(help="Cache of detected faces.")] = _BUILD / "cache",
) -> None:
    """Scores all development sets: unchanged, after JPEG 50, at half size and after H.264."""
    from deepfake_serving.training.development.run import evaluate_all as run

    out.mkdir(parents=True, exist_ok=True)
    typer.echo(run(media, model, out, weights, frames, cache / "index", robustness))


@app.command("calibrate-all")
def calibrate_all(
    evaluation: Annotated[Path, typer.Argument(help="Folder that `evaluate-all` wrote.")] = (
        _BUILD / "development"
    ),
    out: Annotated[Path, typer.Option(help="File for the calibration.")] = (
        _BUILD / "calibration.json"
    ),
    max_fpr: Annotated[
        float, typer.Option(min=0, max=1, help="Maximum share of a set's reals called fake.")
    ] = 0.01,
) -> None:
    """Fits one calibration to all development sets, with a limit on the false positives of each."""
    from deepfake_serving.training.calibration.development_sets import fit_sets
    from deepfake_serving.training.data.images import check_folder
    from deepfake_serving.training.predict.scores import read_scores

    check_folder(evaluation)
    files = sorted(evaluation.glob("*/scores.csv"))
    sets = {file.parent.name: read_scores(file) for file in files}
    fit_sets(sets, max_fpr).write(out)
    typer.echo(out.read_text(encoding="utf-8"))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of the training run.")],
    model: Manifest = _DETECTOR,
    also: Annotated[
        list[Path] | None, typer.Option(help="Another manifest with the same network.")
    ] = None,
    version: Annotated[
        str, typer.Option(help="Version of the model, also in the name of its weights.")
    ] = "1.0",
    licence: Annotated[
        str | None,
        typer.Option(help="SPDX licence of the weights; default: that of the ones they replace."),
    ] = None,
    calibration: Annotated[Path | None, typer.Option(help="File that `calibrate` wrote.")] = None,
    formats: Annotated[str, typer.Option(help="Comma-separated.")] = "safetensors,onnx,openvino",
    crops: Annotated[
        Path | None, typer.Option(help="Folder of more face crops for the checks.")
    ] = None,
    bound: Annotated[float, typer.Option(help="Maximum difference of a probability.")] = 1e-3,
    out: Annotated[Path, typer.Option(help="Folder for the weights.")] = Path("model_store"),
    graphs: Annotated[Path, typer.Option(help="Folder for the other formats.")] = (
        _BUILD / "export"
    ),
) -> None:
    """Exports weights in half precision, checks every format and updates the manifests."""
    from deepfake_serving.training.export.comparison import ExportError
    from deepfake_serving.training.export.run import export as run_export

    try:
        result = run_export(
            *(run, model, also or [], version, licence, out, graphs),
            *(calibration, formats.split(","), crops, bound),
        )
    except ExportError as error:
        typer.echo(f"export: {error}", err=True)
        raise typer.Exit(2) from error
    for name, check in result.checks:
        differences = f"logit {check.logit:.2g}, probability {check.probability:.2g}"
        typer.echo(f"{name}: at most {differences} over {check.crops} crops")
    typer.echo(f"{result.sha256}  {result.weights}")


@app.command()
def attack(
    media: Media,
    model: Manifest = _DETECTOR,
    weights: Weights = None,
    count: Annotated[int, typer.Option(min=2, help="Crops, half of them real.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Iterations of each attack.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the sampled crops.")] = 0,
    poison: Annotated[
        Path | None, typer.Option(help="Folder of portraits: also trains a copy on poisoned pairs.")
    ] = None,
    poison_steps: Annotated[int, typer.Option(min=1, help="Steps of that training.")] = 60,
    out: Annotated[Path, typer.Option(help="Folder for attacks.json.")] = _BUILD / "attacks",
    cache: FaceCache = _BUILD / "cache",
) -> None:
    """Attacks the network with known weights (PGD, a patch) and through its training data."""
    from deepfake_serving.training.attack.run import attack as run
    from deepfake_serving.training.predict.weights import pinned_weights
    from model_handlers.manifest import read_manifest

    out.mkdir(parents=True, exist_ok=True)
    index = cache / "index"
    weights = weights or pinned_weights(read_manifest(model))
    if weights is None:
        raise typer.BadParameter(f"{model} has no weights to attack", param_hint="--weights")
    run(media, model, weights, out, count, steps, seed, index, poison, poison_steps, typer.echo)
    typer.echo(out / "attacks.json")


@app.command()
def card(
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="Folder of an evaluation; repeatable.")
    ] = None,
    attacks: Annotated[Path, typer.Option(help="Folder of the attacks.")] = _BUILD / "attacks",
    calibration: Annotated[Path, typer.Option(help="File that `calibrate` wrote.")] = (
        _BUILD / "calibration.json"
    ),
    exported: Annotated[
        Path | None, typer.Option("--export", help="The JSON file beside the weights.")
    ] = None,
    development: Annotated[
        Path | None, typer.Option(help="Folder that `evaluate-all` wrote.")
    ] = None,
    facts: Annotated[Path, typer.Option(help="YAML file of facts that can't be measured.")] = Path(
        "config/training/data-card.yaml"
    ),
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Write a card that names the files it lacks.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The card.")] = Path("docs/models/detector.md"),
) -> None:
    """Writes the model card from the results of the other commands, if all are there."""
    from deepfake_serving.training.card.card import write_card
    from deepfake_serving.training.card.inputs import read_inputs, require_inputs

    evaluations = evaluation or ([] if development else [_BUILD / "evaluation"])
    if not incomplete:
        require_inputs(evaluations, attacks, calibration, exported, development)
    inputs = read_inputs(facts, evaluations, attacks, calibration, exported, development)
    write_card(inputs, out)
    typer.echo(out)


def main() -> None:
    with reporting.errors():
        app()
