"""Commands that train on a GPU, part of the command line of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_BUILD = Path("build/training")


@app.command("split-pack")
def split_pack(
    pack: Annotated[Path, typer.Argument(help="A pack.")],
    out: Annotated[Path, typer.Argument(help="Folder of the parts NAME-00, NAME-01 …")],
    mebibytes: Annotated[float, typer.Option(help="Maximum size of a part, MiB.")] = 40,
    requality: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Range of JPEG qualities for a compression of all images."),
    ] = None,
) -> None:
    """Splits a pack into parts, cropped to the faces, for transport to another machine."""
    from deepfake_serving.training.sources.transport import split_pack as run

    typer.echo(f"{run(pack, out, int(mebibytes * 2**20), requality)} parts in {out}")


@app.command()
def canvases(
    packs: Annotated[list[Path], typer.Argument(help="Packs or parts of packs.")],
    out: Annotated[Path, typer.Option(help="Folder of the canvases.")] = _BUILD / "canvases",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Decodes and crops packs for `train-gpu`; a face takes 250 KB."""
    from deepfake_serving.training.gpu.canvas import write_canvases

    for pack in packs:
        typer.echo(f"{write_canvases(pack, out / pack.name, workers)} faces in {out / pack.name}")


@app.command("train-gpu")
def train_gpu(
    canvases: Annotated[Path, typer.Argument(help="Folder that `canvases` wrote.")] = _BUILD
    / "canvases",
    spec: Annotated[Path, typer.Option(help="Settings of the run, with a `mixture`.")] = Path(
        "config/training/gpu.yaml"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = _BUILD / "gpu",
    minutes: Annotated[float, typer.Option(min=0, help="Length of the run.")] = 10,
    bank_seconds: Annotated[
        float, typer.Option(help="Training of the autoencoders before the run.")
    ] = 30,
    without: Annotated[
        list[str] | None, typer.Option(help="Adds a run without this pack; `none`: with all.")
    ] = None,
    each_minutes: Annotated[float, typer.Option(min=0, help="Length of each added run.")] = 1,
) -> None:
    """Trains on a GPU, with all faces in its memory and blends and augmentation computed there."""
    from deepfake_serving.training.gpu.run import run

    run(canvases, spec, out, minutes, bank_seconds, without or (), each_minutes)
