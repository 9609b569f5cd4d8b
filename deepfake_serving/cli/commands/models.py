"""`package` and `fetch`: model archives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepfake_serving import assets
from deepfake_serving.cli.extras import requires
from deepfake_serving.cli.output import fail
from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.packaging.bundled import bundled_manifests, pack


@requires("torch")
def package(
    manifests: Annotated[
        list[Path] | None, typer.Argument(help="Manifests; default: all bundled models.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the archives; default: the servers' archive folder."),
    ] = None,
) -> None:
    """Packs manifests into .mar archives and prints their digests.

    DEEPFAKE_WEIGHTS=permissive packs the bundled models with weights that
    were not trained on research-only data.
    """
    for path in manifests or bundled_manifests().values():
        archive = pack(path, out or assets.archives())
        untrained = "" if archive.manifest.trained else "  (untrained)"
        print(f"{archive.digest}  {archive.path}{untrained}")


@requires("model-server")
def fetch(
    source: Annotated[str, typer.Argument(help="A path, or an https, s3, gs or oci URL.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    sha256: Annotated[str, typer.Option(help="The expected digest.")],
) -> None:
    """Downloads a model archive or weights, verifies the digest and writes the file atomically."""
    from deepfake_serving.packaging.fetch import FetchError, shown_progress
    from deepfake_serving.packaging.fetch import fetch as download

    try:
        with shown_progress(target.name) as progress:
            download(source, target, sha256, progress=progress)
    except FetchError as error:
        fail(error)
    print(f"{digest_of(target)}  {target}")
