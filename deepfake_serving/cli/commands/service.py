"""`models` and `usage`: what a gateway serves, and what API keys used of it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from deepfake_serving.cli import results
from deepfake_serving.cli.gateway import service_tables
from deepfake_serving.cli.options import LOCAL_GATEWAY, Key, Server


def models(
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """Lists the models and ensembles that a gateway serves."""
    from deepfake_serving.cli.gateway_client import GatewayClient

    listed = GatewayClient(server, key).models()
    if as_json:
        results.print_json_lines(listed)
    else:
        service_tables.print_models(listed)


def usage(
    server: Server = LOCAL_GATEWAY,
    key: Key = None,
    day: Annotated[
        str | None, typer.Option(help="A day (UTC) of the last 40: 2026-11-28; default: today.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the usage as JSON.")] = False,
) -> None:
    """Shows what an API key used on a day, and its limits.

    With the scope admin, those of all keys.
    """
    from deepfake_serving.cli.gateway_client import GatewayClient

    used = GatewayClient(server, key).usage(day)
    if as_json:
        print(json.dumps(used))
    else:
        service_tables.print_usage(used)
