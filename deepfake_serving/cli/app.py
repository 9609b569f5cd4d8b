"""`deepfake-serving`: judge pictures and videos, pack and fetch models, serve, ask a gateway."""

from __future__ import annotations

import json
import os
import shlex
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.progress import track as tracked
from rich.table import Column, Table
from rich.text import Text

from deepfake_serving.contracts.jobs import LIVE
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.packaging.archive import build_archive, digest_of
from model_handlers.manifest import ManifestError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_ROOT = Path(__file__).resolve().parents[2]
_MANIFESTS = _ROOT / "config" / "models"
_ARCHIVES = _ROOT / "build" / "archives"
_COLOURS = {"real": "green", "suspicious": "yellow", "fake": "red", "no_face": "dim"}
_ENDLESS = 100_000
_LOCAL = "http://127.0.0.1:8000"
_SERVER = "The gateway's URL."
_SAMPLING = "every:N, uniform:N, fps:N or per_shot:N."
_AGGREGATION = "shots, mean, confident or fake_frame_ratio."
_SCOPES = "images,videos,jobs,stream,models,infer"
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
    from deepfake_serving.cli.detect import LocalDetector

    _pack_if_absent(archive)
    with LocalDetector(archive) as detector:
        _warn(detector.model.trained)
        answers = detector.answers(pictures, batch, annotate)
        rows = _tracked(answers, len(pictures)) if _errors.is_terminal else answers
        failed = _print_json(rows) if as_json else _print_table(rows)
    raise typer.Exit(1 if failed else 0)


@app.command()
def video(
    path: Annotated[Path, typer.Argument(help="A video.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole verdict.")] = False,
    sampling: Annotated[str, typer.Option(help=_SAMPLING)] = "every:5",
    aggregation: Annotated[str, typer.Option(help=_AGGREGATION)] = "shots",
    shots: Annotated[bool, typer.Option(help="Look for cuts.")] = True,
    gallery: Annotated[
        Path | None, typer.Option(help="Folder for pictures of shots and faces.")
    ] = None,
    archive: Annotated[
        Path, typer.Option(help="The detector's archive; the bundled one is packed if absent.")
    ] = _ARCHIVES / "detector.mar",
) -> None:
    """Judges a video in this process, without a server."""
    from deepfake_serving.cli.videos import judge_video

    _pack_if_absent(archive)
    with _shown() as report:
        verdict = judge_video(path, archive, sampling, aggregation, shots, gallery, report)
    _warn(verdict["model"]["trained"])
    _print_video(verdict, as_json)


@app.command()
def submit(
    video: Annotated[str, typer.Argument(help="A video's path or URL.")],
    server: Annotated[str, typer.Option(envvar="DFK_SERVER", help=_SERVER)] = _LOCAL,
    key: Annotated[str | None, typer.Option(envvar="DFK_KEY", help="API key.")] = None,
    sampling: Annotated[str | None, typer.Option(help=_SAMPLING)] = None,
    aggregation: Annotated[str | None, typer.Option(help=_AGGREGATION)] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The URL is an HLS playlist to be followed live.")
    ] = False,
    idempotency: Annotated[str | None, typer.Option(help="An Idempotency-Key.")] = None,
    wait: Annotated[bool, typer.Option(help="Watch the job until it has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --wait: the whole job.")] = False,
) -> None:
    """Submits a video to a gateway and prints the job's id."""
    from deepfake_serving.cli.remote import Remote

    options = {"sampling": sampling, "aggregation": aggregation, "live": "true" if live else None}
    given = {name: value for name, value in options.items() if value}
    job = Remote(server, key).submit(video, given, idempotency)
    if wait:
        watch(job["id"], server, key, as_json)
    else:
        print(job["id"])


@app.command()
def watch(
    job: Annotated[str, typer.Argument(help="A job's id.")],
    server: Annotated[str, typer.Option(envvar="DFK_SERVER", help=_SERVER)] = _LOCAL,
    key: Annotated[str | None, typer.Option(envvar="DFK_KEY", help="API key.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole job.")] = False,
) -> None:
    """Shows a job's progress and, at its end, its verdict. Exits with 1 if it did not succeed."""
    from deepfake_serving.cli.remote import Remote

    last: dict[str, Any] = {}
    with _shown() as report:
        for last in Remote(server, key).watch(job):
            report(_words(last["progress"]), last["progress"]["percent"])
    if as_json:
        print(json.dumps(last))
    elif last["kind"] == LIVE and last["result"]:
        _print_live(last)
    elif last["state"] == "succeeded":
        _warn(last["result"]["model"]["trained"])
        _print_video(last["result"], as_json=False)
    else:
        reason = (last["problem"] or {}).get("detail", "")
        _errors.print(Text(f"{last['state']}: {reason}", "red"), soft_wrap=True)
    raise typer.Exit(0 if last["state"] == "succeeded" else 1)


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
    from deepfake_serving.packaging.fetch import FetchError, shown_progress
    from deepfake_serving.packaging.fetch import fetch as bring

    try:
        with shown_progress(target.name) as progress:
            bring(source, target, sha256, progress=progress)
    except FetchError as error:
        _fail(error)
    print(f"{digest_of(target)}  {target}")


@app.command()
def serve() -> None:
    """Runs the model server. Settings: DEEPFAKE_MODEL_SERVER_* variables (docs/settings.md)."""
    from deepfake_serving.model_server.__main__ import main

    raise typer.Exit(main(on_ready=_invite))


@app.command()
def gateway() -> None:
    """Runs the gateway; settings come from DEEPFAKE_GATEWAY_* variables (docs/settings.md)."""
    from deepfake_serving.gateway.__main__ import main

    raise typer.Exit(main(on_ready=_welcome))


@app.command()
def worker() -> None:
    """Runs a worker of jobs, with the gateway's settings."""
    from deepfake_serving.gateway.worker.__main__ import main

    raise typer.Exit(main())


@app.command()
def up() -> None:
    """Runs everything on this machine: model server, gateway, worker and console."""
    from deepfake_serving.cli.up import main

    raise typer.Exit(main())


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose it is: letters, digits and dashes.")],
    scopes: Annotated[str, typer.Option(help="Separated by commas.")] = _SCOPES,
) -> None:
    """Makes an API key: shows it once, and prints its entry for the gateway's `keys_file`."""
    from deepfake_serving.gateway.auth.keys import generate

    secret, entry = generate(name, [scope.strip() for scope in scopes.split(",")])
    _errors.print(Text(f"The key, which is shown only now: {secret}"), soft_wrap=True)
    print(entry, end="")


def main() -> None:
    """The entry point: errors that a person can mend are told in one line, with exit code 2."""
    try:
        app()
    except (ManifestError, OSError, Problem) as error:
        _fail(error)


def _pack_if_absent(archive: Path) -> None:
    if not archive.exists() and archive == _ARCHIVES / "detector.mar":
        build_archive(_MANIFESTS / "detector.yaml", _ARCHIVES)


def _warn(trained: bool) -> None:
    if not trained:
        _errors.print("[yellow]untrained model: these verdicts mean nothing[/]")


@contextmanager
def _shown() -> Iterator[Callable[[str, float | None], None]]:
    """Progress on a terminal: a stage and its percentage, or that it goes on."""
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda stage, percent: progress.update(
            task,
            description=stage,
            completed=percent or 0,
            total=None if percent is None else 100,
        )


def _print_video(verdict: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(verdict))
        return
    table = Table("shot", "seconds", "face", "verdict", "fake", "frames", box=None, pad_edge=False)
    for number, shot in enumerate(verdict["shots"], 1):
        times = f"{shot['start_s']:.1f} to {shot['end_s']:.1f}"
        for track in shot["tracks"]:
            word, p = track["verdict"], track["fake_probability"]
            count = str(len(track["frames"]))
            told = f"[{_COLOURS[word]}]{word}[/]"
            table.add_row(str(number), times, track["id"], told, f"{p:.3f}", count)
        if not shot["tracks"]:
            table.add_row(str(number), times, "", "[dim]no_face[/]", "", "")
    console = Console(width=None if sys.stdout.isatty() else _ENDLESS)
    console.print(table)
    word, p = verdict["verdict"], verdict["fake_probability"]
    shown = "" if p is None else f", {p:.3f} by {verdict['aggregation']}"
    console.print(f"[{_COLOURS[word]}]{word}[/]{shown}, {verdict['frames_analyzed']} frames")
    for warning in verdict["warnings"]:
        console.print(Text(warning, "yellow"))


def _words(progress: dict[str, Any]) -> str:
    """What a job is at; of a live source also how much of it was judged, and the latest verdict."""
    if not progress.get("windows"):
        return str(progress["stage"])
    told = f"{progress['windows']} windows, {progress['seconds'] or 0:.0f} s"
    return f"{progress['stage']}: {told}, {progress['verdict'] or '…'}"


def _print_live(job: dict[str, Any]) -> None:
    """The highest windows of a live source, however it ended."""
    result = job["result"]
    table = Table("window", "seconds", "verdict", "fake", box=None, pad_edge=False)
    for window in result["worst"]:
        times = f"{window['start_s']:.1f} to {window['end_s']:.1f}"
        word = window["verdict"]
        told = f"[{_COLOURS[word]}]{word}[/]"
        table.add_row(str(window["number"]), times, told, f"{window['fake_probability']:.3f}")
    console = Console(width=None if sys.stdout.isatty() else _ENDLESS)
    console.print(table)
    counts = ", ".join(f"{count} {word}" for word, count in result["verdicts"].items())
    word = result["verdict"]
    shown = f"{job['state']}, {result['windows']} windows: {counts}"
    console.print(f"[{_COLOURS[word]}]{word}[/], {shown}")
    for warning in result["warnings"]:
        console.print(Text(warning, "yellow"))


def _invite(ports: dict[str, int]) -> None:
    picture = os.path.relpath(_ROOT / "deepfake_serving" / "model_server" / "assets" / "warmup.jpg")
    url = f"http://127.0.0.1:{ports['http']}/predictions/detector"
    command = shlex.join(["curl", "-s", "--data-binary", f"@{picture}", url])
    print(f"\nReady. Try:\n\n  {command}\n", flush=True)


def _welcome(ports: dict[str, int]) -> None:
    """Says where to look, and on a terminal with a desktop opens it."""
    url = f"http://127.0.0.1:{ports['http']}"
    picture = os.path.relpath(_ROOT / "deepfake_serving" / "model_server" / "assets" / "warmup.jpg")
    command = shlex.join(["curl", "-s", "-F", f"file=@{picture}", f"{url}/v1/images"])
    print(f"\nReady: {url}\n\nOr try:\n\n  {command}\n", flush=True)
    if sys.stdout.isatty():
        webbrowser.open(url)


def _fail(error: Exception) -> None:
    _errors.print(Text(f"deepfake-serving: {error}", "red"), soft_wrap=True)
    sys.exit(2)


def _tracked(answers: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    yield from tracked(answers, total=total, console=_errors, description="judging", transient=True)


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
