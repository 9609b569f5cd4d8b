"""`package`, `fetch` and `import`: model archives and weights."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from deepfake_serving import assets
from deepfake_serving.cli.bundled import choosing_home
from deepfake_serving.cli.extras import requires
from deepfake_serving.cli.output import fail, note
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
        with choosing_home() if out is None else nullcontext():
            archive = pack(path, out or assets.archives())
        untrained = "" if archive.manifest.trained else "  (untrained)"
        print(f"{archive.digest}  {archive.path}{untrained}")


@requires("model-server")
def fetch(
    source: Annotated[str, typer.Argument(help="A path, or an https, hf, s3, gs or oci URL.")],
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


@requires("all")
def import_checkpoint(
    kind: Annotated[str, typer.Argument(help="The kind of checkpoint; `list` prints them.")],
    sources: Annotated[
        list[str] | None, typer.Argument(help="Paths, or https, hf, s3, gs or oci URLs.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX licence of the weights; default: the published one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for weights, manifest, record and card.")] = (
        Path("imported")
    ),
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    sha256: Annotated[
        list[str] | None, typer.Option(help="The expected digest, of each source.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="timm's name, for kinds of several networks.")
    ] = None,
    task: Annotated[str, typer.Option(help="detector or classifier.")] = "detector",
) -> None:
    """Imports a public checkpoint: weights as safetensors, a manifest, a record and a card.

    No code of the checkpoint runs, and its tensors must be exactly those of
    the network. `package` then packs the manifest.
    """
    from deepfake_serving.packaging.checkpoints.kinds.registry import KINDS
    from deepfake_serving.packaging.checkpoints.run import ImportRequest
    from deepfake_serving.packaging.checkpoints.run import import_checkpoint as run
    from deepfake_serving.packaging.checkpoints.state import CheckpointError
    from deepfake_serving.packaging.embeddings.run import KINDS as EMBEDDINGS
    from deepfake_serving.packaging.fetch import FetchError, shown_progress

    if kind in EMBEDDINGS:
        _import_embedding(kind, (sources or [""])[0], out, licence, name)
        return
    if kind == "list":
        summaries = {each: (k.summary, k.licence) for each, k in KINDS.items()}
        summaries |= {each: (k.summary, k.licence) for each, k in EMBEDDINGS.items()}
        for each, (summary, published) in summaries.items():
            print(f"{each}: {summary} ({published or 'no stated licence'})")
        return
    given, digests = tuple(sources or []), tuple(sha256 or [])
    request = ImportRequest(kind, given, out, licence, name, digests, architecture, task)
    try:
        with shown_progress(kind) as progress:
            print(run(request, note, progress))
    except (CheckpointError, FetchError) as error:
        fail(error)


@requires("training")
def _import_embedding(
    kind: str, source: str, out: Path, licence: str | None, name: str | None
) -> None:
    from deepfake_serving.packaging.checkpoints.state import CheckpointError
    from deepfake_serving.packaging.embeddings.run import EmbeddingRequest, import_embedding
    from deepfake_serving.packaging.fetch import FetchError

    try:
        print(import_embedding(EmbeddingRequest(kind, source, out, licence, name), note))
    except (CheckpointError, FetchError) as error:
        fail(error)
