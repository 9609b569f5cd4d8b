"""`key`: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from deepfake_serving.cli.extras import requires
from deepfake_serving.cli.output import note

_SCOPES = "images,videos,jobs,stream,models,infer"


@requires("gateway")
def key(
    name: Annotated[
        str, typer.Argument(help="Name of the key's owner: letters, digits and dashes.")
    ],
    scopes: Annotated[str, typer.Option(help="Scopes, separated by commas.")] = _SCOPES,
) -> None:
    """Generates an API key, shows it once, and prints its entry for the gateway's `keys_file`."""
    from deepfake_serving.gateway.auth.keys import generate

    secret, entry = generate(name, [scope.strip() for scope in scopes.split(",")])
    note(f"The key, which is shown only now: {secret}")
    print(entry, end="")
