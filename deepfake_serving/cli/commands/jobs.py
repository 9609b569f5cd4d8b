"""`submit` and `watch`: jobs of a gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deepfake_serving.cli import results
from deepfake_serving.cli.options import AGGREGATION, LOCAL_GATEWAY, SAMPLING, Key, Server
from deepfake_serving.cli.output import note, progress_bar


def submit(
    video: Annotated[str, typer.Argument(help="Path or URL of a video; - is stdin.")],
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    sampling: Annotated[str | None, typer.Option(help=SAMPLING)] = None,
    aggregation: Annotated[str | None, typer.Option(help=AGGREGATION)] = None,
    shots: Annotated[bool, typer.Option(help="Split the video into shots.")] = True,
    model: Annotated[
        str | None, typer.Option(help="A model or an ensemble of the gateway.")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="A URL that is notified of the job's end.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="A heatmap of each track's keyframe.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Follow the URL, an HLS playlist, as a live source.")
    ] = False,
    idempotency: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    wait: Annotated[bool, typer.Option(help="Watch the job until it ends.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --wait: print the job as JSON.")
    ] = False,
) -> None:
    """Submits a video to a gateway and prints the job's id.

    Files from 8 MiB on are sent by a resumable upload: it goes on after a
    broken connection, and where the same command is run again.
    """
    from deepfake_serving.cli.gateway.resumable import ResumableUpload, is_resumable
    from deepfake_serving.cli.gateway_client import GatewayClient

    flags = {"live": live, "explain": explain}
    options = {
        "sampling": sampling,
        "aggregation": aggregation,
        "model": model,
        "webhook": webhook,
        "shots": None if shots else "false",
    }
    options |= {name: "true" for name, given in flags.items() if given}
    given = {name: value for name, value in options.items() if value}
    client = GatewayClient(server, key)
    if not live and is_resumable(video):
        with progress_bar() as report:
            job = ResumableUpload(client, Path(video), report, idempotency).submit(given)
    else:
        job = client.submit(video, given, idempotency)
    if wait:
        note(f"job {job['id']}")
        watch(job["id"], server, key, as_json)
    else:
        print(job["id"])


def watch(
    job: Annotated[str, typer.Argument(help="A job's id.")],
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Shows a job's progress and finally its verdict. Exits with 1 if the job did not succeed."""
    from deepfake_serving.cli.gateway_client import GatewayClient

    last: dict[str, Any] = {}
    with progress_bar() as report:
        for last in GatewayClient(server, key).watch(job):
            report(results.describe(last["progress"]), last["progress"]["percent"])
    if as_json:
        print(json.dumps(last))
    else:
        results.print_job(last)
    raise typer.Exit(0 if last["state"] == "succeeded" else 1)
