"""`deepfake-serving`: judge pictures, pack models, fetch models, serve."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from model_handlers.manifest import ManifestError
from model_store.archive import build_archive, digest_of

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_ROOT = Path(__file__).resolve().parent.parent
_MANIFESTS = _ROOT / "config" / "models"
_ARCHIVES = _ROOT / "build" / "archives"
_COLOURS = {"real": "green", "suspicious": "yellow", "fake": "red", "no_face": "dim"}
_ENDLESS = 100_000
_errors = Console(stderr=True)


@app.command()
def detect(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to judge.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One verdict a line, in the order given.")
    ] = False,
    annotate: Annotated[
        Path | None, typer.Option(help="Folder for copies with boxes and scores drawn.")
    ] = None,
    archive: Annotated[
        Path, typer.Option(help="The detector's archive; the bundled one is packed if absent.")
    ] = _ARCHIVES / "detector.mar",
    batch: Annotated[int, typer.Option(min=1, max=256, help="Pictures at a time.")] = 8,
) -> None:
    """Judges pictures in this process, without a server. Exits with 1 if one could not be read."""
    from deepfake_serving.detect import LocalDetector

    if not archive.exists() and archive == _ARCHIVES / "detector.mar":
        build_archive(_MANIFESTS / "detector.yaml", _ARCHIVES)
    with LocalDetector(archive) as detector:
        if not detector.model.trained:
            _errors.print("[yellow]untrained model: these verdicts mean nothing[/]")
        answers = detector.answers(pictures, batch, annotate)
        rows = _tracked(answers, len(pictures)) if _errors.is_terminal else answers
        failed = _print_json(rows) if as_json else _print_table(rows)
    raise typer.Exit(1 if failed else 0)


@app.command()
def package(
    manifests: Annotated[
        list[Path] | None, typer.Argument(help="Manifests; all of config/models if none is named.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the archives.")] = _ARCHIVES,
) -> None:
    """Packs manifests into .mar archives and prints their digests."""
    for path in manifests or sorted(_MANIFESTS.glob("*.yaml")):
        archive = build_archive(path, out)
        trained = "" if archive.manifest.trained else "  (untrained)"
        print(f"{archive.digest}  {archive.path}{trained}")


@app.command()
def fetch(
    source: Annotated[str, typer.Argument(help="A path, https://, s3://, gs:// or oci:// source.")],
    target: Annotated[Path, typer.Argument(help="Where the file goes.")],
    sha256: Annotated[str, typer.Option(help="Digest that it must have.")],
) -> None:
    """Brings a model archive or weights here, verified; nothing half-written ever stays."""
    from model_store.fetch import FetchError, shown_progress
    from model_store.fetch import fetch as bring

    try:
        with shown_progress(target.name) as progress:
            bring(source, target, sha256, progress=progress)
    except FetchError as error:
        _fail(error)
    print(f"{digest_of(target)}  {target}")


@app.command()
def serve() -> None:
    """Runs the model server; settings come from DEEPFAKE_* variables (docs/settings.md)."""
    from model_server.__main__ import main

    raise typer.Exit(main(on_ready=_invite))


def main() -> None:
    """The entry point: errors that a person can mend are told in one line, with exit code 2."""
    try:
        app()
    except (ManifestError, OSError) as error:
        _fail(error)


def _invite(ports: dict[str, int]) -> None:
    picture = os.path.relpath(_ROOT / "model_server" / "assets" / "warmup.jpg")
    url = f"http://127.0.0.1:{ports['http']}/predictions/detector"
    command = shlex.join(["curl", "-s", "--data-binary", f"@{picture}", url])
    print(f"\nReady. Try:\n\n  {command}\n", flush=True)


def _fail(error: Exception) -> None:
    _errors.print(Text(f"deepfake-serving: {error}", "red"), soft_wrap=True)
    sys.exit(2)


def _tracked(answers: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    yield from track(answers, total=total, console=_errors, description="judging", transient=True)


def _print_json(answers: Iterator[dict[str, Any]]) -> int:
    import orjson

    failed = 0
    for answer in answers:
        failed += "type" in answer
        print(orjson.dumps(answer).decode(), flush=True)
    return failed


def _print_table(answers: Iterator[dict[str, Any]]) -> int:
    """One line a picture; folded only where a terminal is too narrow for it."""
    picture, remark = Column("picture", overflow="fold"), Column("remark", overflow="fold")
    table = Table(picture, "verdict", "fake", "faces", remark, box=None, pad_edge=False)
    failed = 0
    for answer in answers:
        if "type" in answer:
            failed += 1
            detail = _literally(answer["detail"])
            table.add_row(_literally(answer["file"]), "[red]problem[/]", "", "", detail)
            continue
        verdict, probability = answer["verdict"], answer["fake_probability"]
        table.add_row(
            _literally(answer["file"]),
            f"[{_COLOURS[verdict]}]{verdict}[/]",
            "" if probability is None else f"{probability:.3f}",
            str(len(answer["faces"])),
            "" if answer["model"]["trained"] else "untrained",
        )
    Console(width=None if sys.stdout.isatty() else _ENDLESS).print(table)
    return failed


def _literally(text: str) -> Text:
    """Names are no markup and don't get to move the cursor."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return Text("".join(shown))
