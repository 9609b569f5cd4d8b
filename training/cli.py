"""`python -m training`: train, evaluate, calibrate, export and describe a model."""

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
    workers: Annotated[int, typer.Option(min=0, help="Processes that make pairs.")] = 2,
    track: Annotated[str, typer.Option(help="none, tensorboard or mlflow.")] = "none",
    cache: Annotated[Path, typer.Option(help="Folder for pairs and found faces.")] = (
        _BUILD / "cache"
    ),
) -> None:
    """Trains a network, or goes on where an interrupted run stopped."""
    from training.train import run

    run(faces, spec, out, media, workers, track, cache)  # type: ignore[arg-type]


@app.command()
def calibrate(
    scores: Annotated[Path, typer.Argument(help="scores.csv of an evaluation.")],
    out: Annotated[Path, typer.Option(help="Where the calibration goes.")] = (
        _BUILD / "calibration.json"
    ),
    folds: Annotated[int, typer.Option(min=2, help="Folds of identities.")] = 5,
) -> None:
    """Fits logit to probability on development scores and shows how it does out of fold."""
    from training.calibrate import Sample, fit
    from training.scores import read_scores

    sample = Sample.of([s for s in read_scores(scores) if s.variant == "as is"])
    calibrated = fit(sample, folds)
    calibrated.write(out)
    typer.echo(out.read_text(encoding="utf-8"))


def main() -> None:
    app()
