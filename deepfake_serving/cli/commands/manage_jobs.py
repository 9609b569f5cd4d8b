"""`jobs`: lists, shows, cancels and deletes the jobs of a gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from deepfake_serving.cli import results
from deepfake_serving.cli.options import LOCAL_GATEWAY, Key, Server
from deepfake_serving.cli.output import note
from deepfake_serving.contracts.problems import NotFound

if TYPE_CHECKING:
    from deepfake_serving.cli.gateway_client import GatewayClient

app = typer.Typer(no_args_is_help=True)

Ids = Annotated[list[str], typer.Argument(help="Ids of jobs.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document per line.")]


@app.command("list")
def list_jobs(
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    state: Annotated[
        str | None,
        typer.Option(help="queued, running, succeeded, failed, dead or cancelled."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="image, video or live.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of the name or id.")] = None,
    verdict: Annotated[str | None, typer.Option(help="real, suspicious, fake or no_face.")] = None,
    created_from: Annotated[
        str | None, typer.Option(help="The earliest time: 2026-11-28T00:00:00Z.")
    ] = None,
    created_before: Annotated[str | None, typer.Option(help="A time after the latest.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most jobs.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Lists jobs, the newest first."""
    filters = {
        "state": state,
        "kind": kind,
        "q": text,
        "verdict": verdict,
        "created_from": created_from,
        "created_before": created_before,
    }
    given = {name: value for name, value in filters.items() if value}
    listed = _client(server, key).jobs(given, limit)
    if as_json:
        results.print_json_lines(listed)
    else:
        results.print_jobs(listed)


@app.command()
def show(
    job: Annotated[str, typer.Argument(help="A job's id.")],
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Shows a job as it is now, with its verdict if it has one; `watch` waits for it."""
    document = _client(server, key).job(job)
    if as_json:
        print(json.dumps(document))
    else:
        results.print_job(document)


@app.command()
def cancel(jobs: Ids, server: Server = LOCAL_GATEWAY, key: Key = None) -> None:
    """Cancels jobs. Those that have ended stay as they are. Exits with 1 if one is not found."""
    client = _client(server, key)
    _end(jobs, lambda job: str(client.cancel(job)["state"]))


@app.command()
def delete(jobs: Ids, server: Server = LOCAL_GATEWAY, key: Key = None) -> None:
    """Deletes jobs with their media and results; cancels those that have not ended. Exits with 1 if
    one is not found."""
    client = _client(server, key)

    def delete_job(job: str) -> str:
        client.delete(job)
        return "deleted"

    _end(jobs, delete_job)


def _end(jobs: list[str], end: Callable[[str], str]) -> None:
    """Ends each job and prints how; one that is not found keeps no other from its end."""
    missing = 0
    for job in jobs:
        try:
            print(job, end(job))
        except NotFound as problem:
            missing += 1
            note(problem.detail)
    raise typer.Exit(1 if missing else 0)


def _client(server: str, key: str | None) -> GatewayClient:
    from deepfake_serving.cli.gateway_client import GatewayClient

    return GatewayClient(server, key)
