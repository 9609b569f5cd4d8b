"""Runs a load test without Locust's page.

    python -m loadtest image-rest --url http://127.0.0.1:8000 --shape ramp --peak 8

Exit codes: 0 passed, 1 not passed, 2 asked for in a wrong way. Options that are not listed are
Locust's own, for example `--processes 4`.
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
    """The text above as it is, and defaults."""


def parser() -> configargparse.ArgumentParser:
    """Of everything but Locust's own options."""
    made = configargparse.ArgumentParser(
        "python -m loadtest", description=__doc__, formatter_class=_Help
    )
    made.add_argument(
        "users", nargs="+", choices=tuple(KINDS), metavar="USER", help=", ".join(KINDS)
    )
    made.add_argument("--url", env_var="DFK_SERVER", required=True, help="the gateway's")
    made.add_argument(
        "--out",
        env_var="DFK_OUT",
        type=Path,
        default=Path("build/load"),
        help="folder of the reports",
    )
    options.add(made)
    made.set_defaults(shape="steady")
    return made


def command(chosen: Namespace, rest: list[str]) -> list[str]:
    """What Locust is called with."""
    chosen.summary = chosen.summary or chosen.out / "summary.json"
    return [
        *("locust", "-f", str(LOCUSTFILE), "--headless", "--host", chosen.url.rstrip("/")),
        *("--csv", str(chosen.out / "locust"), "--html", str(chosen.out / "report.html")),
        # with a file of its own, Locust leaves standard output to the table
        *("--json-file", str(chosen.out / "locust")),
        *("--only-summary", "--loglevel", "WARNING"),
        *("--stop-timeout", str(math.ceil(chosen.timeout))),
        *options.written(chosen),
        *rest,
        *dict.fromkeys(KINDS[user] for user in chosen.users),
    ]


def main() -> None:
    made = parser()
    chosen, rest = made.parse_known_args()
    try:
        options.checked(chosen)
    except ValueError as error:
        made.error(str(error))
    sys.argv = command(chosen, rest)
    from locust.main import main as locust  # patches the process, so only now

    locust()


if __name__ == "__main__":
    main()
