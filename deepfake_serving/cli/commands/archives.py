"""`bulk` and `report`: many images and videos, on a machine or a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepfake_serving.cli.commands.analysis import Archive, Model
from deepfake_serving.cli.extras import requires
from deepfake_serving.cli.options import SAMPLING, finite
from deepfake_serving.cli.output import count_chunks, note, warn_untrained

if TYPE_CHECKING:
    from deepfake_serving.cli.bulk.destination import Destination, RunInfo

_SOURCE = "A folder, glob, s3:// or gs:// prefix, text file of paths, or Parquet file (--column)."


@requires("bulk")
def bulk(
    source: Annotated[str, typer.Argument(help=_SOURCE)],
    out: Annotated[str, typer.Option(help="Folder or s3:// or gs:// prefix of the tables.")],
    column: Annotated[str | None, typer.Option(help="Column of paths in a Parquet file.")] = None,
    model: Model = "detector",
    archive: Archive = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS", help="Ray cluster (auto, host:port, ray://…); default: start one."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of workers; default: all that the cluster can run."),
    ] = None,
    cpus: Annotated[int, typer.Option(min=1, help="CPU cores per worker.")] = 1,
    gpus: Annotated[
        float, typer.Option(min=0, callback=finite, help="GPUs per worker; may be a fraction.")
    ] = 0,
    sample: Annotated[
        float,
        typer.Option(
            min=0, max=1, callback=finite, help="Share of the files, the same in every run."
        ),
    ] = 1,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Analyse only the first N files.")
    ] = None,
    chunk: Annotated[
        int, typer.Option(min=1, max=10_000, help="Images per task and per part of the tables.")
    ] = 256,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Images per batch.")] = 8,
    sampling: Annotated[str, typer.Option(help=f"Frames of videos: {SAMPLING}")] = "every:5",
    explain: Annotated[
        bool, typer.Option("--explain", help="Store a heatmap of each face of an image.")
    ] = False,
) -> None:
    """Analyses many images and videos into Parquet tables. The same command resumes a run."""
    from deepfake_serving.cli.bulk.destination import Destination, RunInfo
    from deepfake_serving.cli.bulk.inputs import canonical
    from deepfake_serving.cli.bulk.listing import prepare
    from deepfake_serving.cli.bulk.models import find_model
    from deepfake_serving.cli.bulk.run import Resources, analyse_chunks, connected
    from deepfake_serving.cli.bulk.stores import store_errors
    from deepfake_serving.cli.bulk.worker import WorkerOptions
    from deepfake_serving.cli.video import video_options

    video_options(sampling, "shots", shots=True)
    found = find_model(model, archive)
    warn_untrained(found.trained)
    with store_errors():
        destination = Destination(out)
        whole = canonical(source), column
        wanted = RunInfo(*whole, sample, limit, sampling, found.name, found.digest, explain)
        run = prepare(destination, wanted, found.objects, chunk)
        done = destination.done()
        chunks = [number for number in range(run.chunks) if number not in done]
        note(f"{run.files} files in {run.chunks} chunks, {len(done)} of them done")
        if chunks:
            destination.forget_attempts()
            device = "cuda" if gpus else None
            options = WorkerOptions(destination.url, batch, cpus, device, sampling, explain)
            with connected(address):
                results = analyse_chunks(chunks, options, Resources(workers, cpus, gpus))
                count_chunks(results, run.chunks, len(done))
        _finish(destination, run)


def _finish(destination: Destination, run: RunInfo) -> None:
    from deepfake_serving.cli.bulk.page import print_summary
    from deepfake_serving.cli.bulk.summary import summarise

    print_summary(summarise(destination))
    missing = run.chunks - len(destination.done())
    if missing:
        note(f"{missing} chunks are not done: their workers died or a store failed; run it again")
    raise typer.Exit(1 if missing else 0)


@requires("bulk")
def report(
    result: Annotated[str, typer.Argument(help="Folder or prefix that `bulk --out` wrote.")],
    page: Annotated[Path | None, typer.Option(help="Write an HTML page here.")] = None,
) -> None:
    """Summarises what `bulk` wrote: verdicts, problems, the distribution of the scores."""
    from deepfake_serving.cli.bulk.destination import Destination
    from deepfake_serving.cli.bulk.page import print_summary, write_page
    from deepfake_serving.cli.bulk.stores import store_errors
    from deepfake_serving.cli.bulk.summary import summarise
    from deepfake_serving.contracts.problems import NotFound

    with store_errors():
        destination = Destination.existing(result)
        run = destination.run_info()
        if run is None:
            raise NotFound(f"{destination.url} holds no result of bulk")
        summary = summarise(destination)
        print_summary(summary)
        if summary.files < run.files:
            note(f"{run.files - summary.files} of {run.files} files are not done: run bulk again")
        if page is not None:
            write_page(page, run, summary)
