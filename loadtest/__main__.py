"""Runs a load test without Locust's page.

    python -m loadtest image-rest --url http://127.0.0.1:8000 --shape ramp --peak 8

Exit codes: 0 passed, 1 failed, 2 invalid options. Options that are not listed are passed to Locust,
for example `--processes 4`.
"""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from pathlib import Path

import configargparse

from loadtest import options
from loadtest.kinds import KINDS

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


class _Help(configargparse.ArgumentDefaultsHelpFormatter, configargparse.RawTextHelpFormatter):
    """Keeps the layout of the description and shows defaults."""


def parser() -> configargparse.ArgumentParser:
    """Builds the parser of all options except Locust's own."""
    cli = configargparse.ArgumentParser(
        "python -m loadtest", description=__doc__, formatter_class=_Help
    )
    cli.add_argument(
        "users", nargs="+", choices=tuple(KINDS), metavar="USER", help=", ".join(KINDS)
    )
    cli.add_argument("--url", env_var="DFK_SERVER", required=True, help="the gateway's")
    cli.add_argument(
        "--out",
        env_var="DFK_OUT",
        type=Path,
        default=Path("build/load"),
        help="folder of the reports",
    )
    options.add(cli)
    cli.set_defaults(shape="steady")
    return cli


def command(chosen: Namespace, locust_options: list[str]) -> list[str]:
    """Returns Locust's command line."""
    chosen.summary = chosen.summary or chosen.out / "summary.json"
    return [
        *("locust", "-f", str(LOCUSTFILE), "--headless", "--host", chosen.url.rstrip("/")),
        *("--csv", str(chosen.out / "locust"), "--html", str(chosen.out / "report.html")),
        # with a JSON file, Locust keeps standard output free for the table
        *("--json-file", str(chosen.out / "locust")),
        *("--only-summary", "--loglevel", "WARNING"),
        *("--stop-timeout", str(math.ceil(chosen.timeout))),
        *options.to_arguments(chosen),
        *locust_options,
        *dict.fromkeys(KINDS[user] for user in chosen.users),
    ]


def main() -> None:
    cli = parser()
    chosen, locust_options = cli.parse_known_args()
    try:
        options.validate(chosen)
    except ValueError as error:
        cli.error(str(error))
    sys.argv = command(chosen, locust_options)
    from locust.main import main as locust  # patches the process for gevent, so not at import

    locust()


if __name__ == "__main__":
    main()
