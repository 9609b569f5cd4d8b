"""Commands that train on packed sources."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()

_BUILD = Path("build/training")

Tracking = Annotated[
    Literal["none", "tensorboard", "mlflow"], typer.Option(help="What keeps the metrics.")
]


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder of the source's images or media.")],
    out: Annotated[Path, typer.Argument(help="Folder of the pack; its name is the source's.")],
    kind: Annotated[
        Literal["images", "whole", "portraits", "swaps"],
        typer.Option(help="Of the folder; whole: wholly generated fakes."),
    ] = "images",
    held_out: Annotated[
        float, typer.Option(min=0, max=1, help="Portraits only: share of people left out.")
    ] = 0.0,
    identity: Annotated[
        str, typer.Option(help="Portraits only: regular expression of the identity.")
    ] = "",
    cache: Annotated[Path, typer.Option(help="Cache of detected faces.")] = _BUILD / "cache",
) -> None:
    """Packs a source of faces: detects each face once and stores small images unchanged."""
    from deepfake_serving.training.sources.kinds import pack as run

    typer.echo(f"{run(kind, folder, out, cache, held_out, identity)} faces in {out}")


@app.command("cut-feedback")
def cut_feedback(
    folder: Annotated[Path, typer.Argument(help="`feedback/` of an unpacked export.")],
) -> None:
    """Cuts the labelled faces of images with several, so that `evaluate-all` reads them."""
    from deepfake_serving.training.development.feedback import cut_faces

    cut, missing = cut_faces(folder)
    typer.echo(f"{cut} faces cut; {missing} labels have no image or no box in pixels")


@app.command("fit-synthesis")
def fit_synthesis(
    packs: Annotated[Path, typer.Argument(help="Folder of packs.")],
    weights: Annotated[Path, typer.Option(help="Weights of the trained network.")],
    spec: Annotated[Path, typer.Option(help="Settings with `mixture` and `synthesis`.")] = Path(
        "config/training/synthesis.yaml"
    ),
    out: Annotated[Path, typer.Option(help="File for the weights with the head.")] = (
        _BUILD / "network.safetensors"
    ),
) -> None:
    """Fits a head for faces that are synthesised as a whole to a trained network."""
    from deepfake_serving.training.sources.synthesis import fit_synthesis as run

    run(packs, spec, weights, out)
    typer.echo(out)


@app.command()
def mix(
    packs: Annotated[Path, typer.Argument(help="Folder of packs.")],
    spec: Annotated[Path, typer.Option(help="Settings of the run, with a `mixture`.")] = Path(
        "config/training/sources.yaml"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the run; resumed if it exists.")] = (
        _BUILD / "mixture"
    ),
    workers: Annotated[int, typer.Option(min=0, help="Processes that generate pairs.")] = 1,
    track: Tracking = "none",
    without: Annotated[
        list[str] | None, typer.Option(help="A pack to leave out; repeatable.")
    ] = None,
) -> None:
    """Trains a network on a mixture of packed sources, or resumes an interrupted run."""
    from deepfake_serving.runtime.process.memory import return_no_memory
    from deepfake_serving.training.sources.train import run

    return_no_memory()
    run(packs, spec, out, workers, track, without or ())


@app.command()
def average(
    parts: Annotated[list[str], typer.Argument(help="Weights and their shares: FILE:SHARE …")],
    packs: Annotated[
        Path | None, typer.Option(help="Folder of packs: computes batch normalization again.")
    ] = None,
    spec: Annotated[Path, typer.Option(help="Settings with a `mixture`.")] = Path(
        "config/training/statistics.yaml"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the averaged network.")] = (
        _BUILD / "average"
    ),
) -> None:
    """Averages the weights of several runs."""
    from deepfake_serving.training.sources.average import average as run

    run(dict(_part(part) for part in parts), packs, spec, out)


def _part(text: str) -> tuple[Path, float]:
    name, _, share = text.rpartition(":")
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not name or not 0 < number < math.inf:
        raise typer.BadParameter(f"{text!r} is not FILE:SHARE with a share above 0")
    return Path(name), number
