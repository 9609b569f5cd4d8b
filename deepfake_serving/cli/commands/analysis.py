"""`detect` and `video`: analysis in this process; that of images also by a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_serving.cli import results
from deepfake_serving.cli.extras import requires
from deepfake_serving.cli.options import AGGREGATION, SAMPLING, Key
from deepfake_serving.cli.output import progress_bar, tracked, warn_untrained
from deepfake_serving.cli.piped import input_path, seekable
from deepfake_serving.contracts.problems import InvalidRequest

if TYPE_CHECKING:
    from deepfake_serving.cli.evidence.annotate import Annotator
    from deepfake_serving.cli.evidence.names import OutputNames
    from deepfake_serving.provenance.reader import ProvenanceReader

Archive = Annotated[
    Path | None,
    typer.Option(help="Model archive (.mar); default: the bundled one, packed once per version."),
]

Model = Annotated[
    str, typer.Option(help="An ensemble, or a model of this version: detector, detector-gpu, …")
]


@requires("all")
def detect(
    images: Annotated[
        list[str],
        typer.Argument(help="Image files; - is stdin. With --server also URLs."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document per line, in input order.")
    ] = False,
    annotate: Annotated[
        Path | None, typer.Option(help="Folder for copies with boxes and scores.")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(help="Folder for a heatmap of each face: where its score comes from."),
    ] = None,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Read content credentials and metadata too.")
    ] = False,
    anchors: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of certificates whose credentials are trusted; implies --provenance."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="An ensemble, or a model of this version: detector, detector-gpu, …; "
            "with --server, one of the gateway.",
            show_default="detector, or the gateway's first",
        ),
    ] = None,
    archive: Archive = None,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Images per batch.")] = 8,
    server: Annotated[
        str | None, typer.Option(help="URL of a gateway that analyses the images instead.")
    ] = None,
    key: Key = None,
) -> None:
    """Analyses images in this process, or by a gateway. Exits with 1 if one is unreadable."""
    from deepfake_serving.cli.evidence.names import OutputNames

    names = OutputNames(map(Path, images))
    if server is not None:
        _refuse({"--annotate": annotate, "--anchors": anchors, "--archive": archive})
        flags = {"explain": explain is not None, "provenance": provenance}
        found = _by_gateway(server, key, images, model, flags)
    else:
        from deepfake_serving.cli.ensemble import open_detector

        paths = [input_path(Path(image)) for image in images]
        detector = open_detector(model or "detector", archive)
        warn_untrained(detector.model.trained)
        found = detector.documents(
            paths,
            batch,
            _annotator(annotate, names),
            explain=explain is not None,
            provenance=_provenance_reader(anchors) if provenance or anchors else None,
        )
    if explain is not None:
        from deepfake_serving.cli.evidence.heatmaps import write_heatmaps

        found = write_heatmaps(found, explain, names)
    show = results.print_json_lines if as_json else results.print_image_table
    problems = show(tracked(found, len(images)))
    raise typer.Exit(1 if problems else 0)


def _refuse(options: dict[str, Path | None]) -> None:
    for name, value in options.items():
        if value is not None:
            raise InvalidRequest(f"{name} needs the images to be analysed here, without --server")


def _by_gateway(
    server: str, key: str | None, images: list[str], model: str | None, flags: dict[str, bool]
) -> Iterator[dict[str, Any]]:
    from deepfake_serving.cli.commands.by_gateway import documents
    from deepfake_serving.cli.gateway_client import GatewayClient

    options = {name: "true" for name, given in flags.items() if given}
    options |= {"model": model} if model else {}
    return documents(GatewayClient(server, key), images, options)


def _annotator(folder: Path | None, names: OutputNames) -> Annotator | None:
    from deepfake_serving.cli.evidence.annotate import Annotator

    return None if folder is None else Annotator(folder, names)


def _provenance_reader(anchors: Path | None) -> ProvenanceReader:
    from deepfake_serving.provenance.reader import ProvenanceReader, load_anchors

    return ProvenanceReader("" if anchors is None else load_anchors(anchors))


@requires("all")
def video(
    path: Annotated[Path, typer.Argument(help="A video file; - is stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    sampling: Annotated[str, typer.Option(help=SAMPLING)] = "every:5",
    aggregation: Annotated[str, typer.Option(help=AGGREGATION)] = "shots",
    shots: Annotated[bool, typer.Option(help="Split the video into shots.")] = True,
    gallery: Annotated[
        Path | None, typer.Option(help="Folder for images of shots and faces.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="With --gallery: a heatmap of each track's keyframe.")
    ] = False,
    person_model: Annotated[
        Path | None,
        typer.Option(
            help="Manifest of a model that embeds faces, to find the same people (import)."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Processes that share a long video, of five minutes each."
        ),
    ] = 1,
    model: Model = "detector",
    archive: Archive = None,
) -> None:
    """Analyses a video on this machine, without a server."""
    from deepfake_serving.cli.divided import analyse_file
    from deepfake_serving.cli.video import video_options

    options = video_options(sampling, aggregation, shots, explain)
    with progress_bar() as report, seekable(input_path(path)) as file:
        verdict = analyse_file(
            file, options, model, archive, person_model, gallery, workers, report
        )
    warn_untrained(verdict["model"]["trained"])
    results.print_video(verdict, as_json)
