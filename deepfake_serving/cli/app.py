"""`deepfake-serving`: analyse images and videos, pack and fetch models, serve, call a gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from deepfake_serving.cli.commands import (
    analysis,
    archives,
    capacity,
    feedback,
    jobs,
    keys,
    manage_jobs,
    models,
    servers,
    service,
)
from deepfake_serving.cli.extras import MissingExtra
from deepfake_serving.cli.output import exit_now, fail
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.ensembles.spec import EnsembleError
from deepfake_serving.runtime.version import NAME, VERSION
from model_handlers.manifest import ManifestError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Analyse in this process": (analysis.detect, analysis.video),
    "Analyse many files": (archives.bulk, archives.report),
    "Call a gateway": (jobs.submit, jobs.watch, service.models, service.usage),
    "Models": (models.package, models.fetch, models.import_checkpoint),
    "Servers": (servers.serve, servers.gateway, servers.worker, servers.up),
    "Capacity": (capacity.plan,),
    "Access": (keys.key,),
}
_NAMES: dict[Callable[..., None], str] = {models.import_checkpoint: "import"}  # a keyword


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{NAME} {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Prints the version."
        ),
    ] = False,
) -> None:
    """Analyses images and videos, packs and fetches models, serves them, and calls a gateway."""


for _group, _functions in _COMMANDS.items():
    for _function in _functions:
        app.command(_NAMES.get(_function), rich_help_panel=_group)(_function)
app.add_typer(
    manage_jobs.app,
    name="jobs",
    help="Lists, shows, cancels and deletes jobs.",
    rich_help_panel="Call a gateway",
)
app.add_typer(
    feedback.app,
    name="feedback",
    help="Labels verdicts as real or fake, lists and exports the labels.",
    rich_help_panel="Call a gateway",
)


def main() -> None:
    """Runs the command line. Errors that a user can correct are one line, with exit code 2."""
    try:
        app()
    except SystemExit as end:
        exit_now(end)
    except (EnsembleError, ManifestError, MissingExtra, OSError, Problem) as error:
        fail(error)
