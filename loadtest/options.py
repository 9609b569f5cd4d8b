"""What can be chosen of a run: the same words on the command line, in Locust's own, and as DFK_….

Values are numbers and texts, as Locust sends them to the processes of a distributed run.
The API key is no option, as command lines are seen by everybody on a machine: it is DFK_KEY.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from loadtest.gates import Gates
from loadtest.shapes import SHAPES, Plan

_OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "shape of the load": {
        "shape": {"choices": tuple(SHAPES), "help": "how the number of users changes over time"},
        "peak": {"type": int, "default": 4, "help": "most users at once"},
        "base": {"type": int, "default": 1, "help": "fewest users, of ramp, spike and soak"},
        "duration": {"type": float, "default": 60.0, "help": "seconds"},
    },
    "what users do": {
        "grpc": {"metavar": "HOST:PORT", "help": "unset: port 8001 of the URL's host"},
        "media": {
            "metavar": "FOLDER",
            "help": "what to send; unset: it is made",
        },
        "pause": {"type": float, "default": 0.0, "help": "seconds between a user's requests"},
        "batch": {"type": int, "default": 4, "help": "pictures in a batch"},
        "live-fps": {"type": float, "default": 5.0, "help": "frames a second of a live stream"},
        "live-seconds": {"type": float, "default": 10.0, "help": "length of a live stream"},
        "timeout": {"type": float, "default": 60.0, "help": "seconds that a request may take"},
        "job-timeout": {"type": float, "default": 300.0, "help": "seconds that a job may take"},
        "poll": {"type": float, "default": 0.25, "help": "seconds between looks at a job"},
    },
    "when a run fails": {
        "max-failure-ratio": {"type": float, "default": 0.0, "help": "of any kind of request"},
        "max-p95-ms": {"type": float, "help": "of any kind of request; unset: any"},
        "min-requests": {"type": int, "default": 1, "help": "good answers that each user needs"},
        "allow-refused": {"action": "store_true", "help": "a 429 is counted, but no failure"},
    },
    "what is written": {
        "summary": {"metavar": "FILE", "help": "the outcome as JSON"},
    },
}


def add(parser: argparse.ArgumentParser) -> None:
    """Adds them to a parser of ConfigArgParse, such as Locust's."""
    for title, group in _OPTIONS.items():
        arguments = parser.add_argument_group(title)
        for name, given in group.items():
            variable = f"DFK_{name.upper().replace('-', '_')}"
            arguments.add_argument(f"--{name}", env_var=variable, **given)


def written(options: argparse.Namespace) -> list[str]:
    """The command line that says the same."""
    words: list[str] = []
    for name in (name for group in _OPTIONS.values() for name in group):
        value = getattr(options, name.replace("-", "_"))
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words.append(f"--{name}={value}")
    return words


def plan(options: argparse.Namespace) -> Plan:
    """The shape chosen. Raises `ValueError`."""
    return Plan(options.shape or "steady", options.peak, options.base, options.duration)


def gates(options: argparse.Namespace) -> Gates:
    """The bounds chosen. Raises `ValueError`."""
    return Gates(options.max_failure_ratio, options.max_p95_ms, options.min_requests)


def checked(options: argparse.Namespace) -> None:
    """Raises `ValueError` where a number makes no sense."""
    plan(options), gates(options)
    above: Sequence[str] = ("batch", "live_fps", "live_seconds", "timeout", "job_timeout", "poll")
    for name in above:
        if not getattr(options, name) > 0:
            raise ValueError(f"{name} is above 0")
    if options.pause < 0:
        raise ValueError("pause is 0 or above")
