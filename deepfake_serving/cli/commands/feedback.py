"""`feedback`: labels of people on the verdicts of a gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from deepfake_serving.cli import results
from deepfake_serving.cli.gateway import service_tables
from deepfake_serving.cli.options import LOCAL_GATEWAY, Key, Server
from deepfake_serving.cli.output import note

app = typer.Typer(no_args_is_help=True)


@app.command()
def give(
    response: Annotated[str, typer.Argument(help="The id of an image's verdict, or of a job.")],
    label: Annotated[str, typer.Argument(help="What it really is: real or fake.")],
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    face: Annotated[
        int | None, typer.Option(help="One face of an image: its place in `faces`, from 0.")
    ] = None,
    track: Annotated[str | None, typer.Option(help="One face of a video: its track's id.")] = None,
    text: Annotated[str | None, typer.Option("--note", help="A note.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the feedback as JSON.")] = False,
) -> None:
    """Labels a verdict as real or fake. A later label replaces an earlier one."""
    from deepfake_serving.cli.gateway_client import GatewayClient

    body = {"id": response, "label": label, "face": face, "track": track, "note": text}
    given = {name: value for name, value in body.items() if value is not None}
    feedback = GatewayClient(server, key).give_feedback(given)
    print(json.dumps(feedback) if as_json else f"{feedback['id']} {feedback['label']}")


@app.command("list")
def list_feedback(
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    limit: Annotated[int, typer.Option(min=1, help="The most labels.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """Lists the labels of all API keys, the newest first. It needs the scope admin."""
    from deepfake_serving.cli.gateway_client import GatewayClient

    listed = GatewayClient(server, key).feedback(limit)
    if as_json:
        results.print_json_lines(listed)
    else:
        service_tables.print_feedback(listed)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The zip file to write.")],
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
) -> None:
    """Writes all labels, with the labelled media that are stored.

    `cut-feedback` and `evaluate` read the zip once it is unpacked. It needs
    the scope admin.
    """
    from deepfake_serving.cli.gateway_client import GatewayClient
    from deepfake_serving.packaging.replacing import replacing

    with replacing(file) as target:
        GatewayClient(server, key).export_feedback(target)
    note(f"written: {file}")


@app.command()
def forget(
    images: Annotated[list[str], typer.Argument(help="Ids of verdicts of images.")],
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
) -> None:
    """Deletes what the gateway stores of verdicts of images, with the labels on them."""
    from deepfake_serving.cli.gateway_client import GatewayClient

    client = GatewayClient(server, key)
    for image in images:
        client.forget_image(image)
        print(image, "forgotten")
