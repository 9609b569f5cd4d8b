"""Options of a run: on this command line, on Locust's, and as DFK_… variables.

Values are numbers and strings, because Locust sends them to the processes of a distributed run.
The API key is only read from DFK_KEY, because command lines are visible to all users of a machine.
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
        "peak": {"type": int, "default": 4, "help": "maximum number of users"},
        "base": {
            "type": int,
            "default": 1,
            "help": "minimum number of users, for ramp, spike and soak",
        },
        "duration": {"type": float, "default": 60.0, "help": "seconds"},
        "requests": {
            "type": int,
            "help": "end before the duration, once each kind of user has this many successes",
        },
    },
    "what users do": {
        "grpc": {"metavar": "HOST:PORT", "help": "unset: port 8001 of the URL's host"},
        "media": {
            "metavar": "FOLDER",
            "help": "media to send; unset: generated",
        },
        "pause": {"type": float, "default": 0.0, "help": "seconds between a user's requests"},
        "batch": {"type": int, "default": 4, "help": "images in a batch"},
        "live-fps": {"type": float, "default": 5.0, "help": "frames per second of a live stream"},
        "live-seconds": {"type": float, "default": 10.0, "help": "length of a live stream"},
        "timeout": {"type": float, "default": 60.0, "help": "timeout of a request, in seconds"},
        "job-timeout": {"type": float, "default": 300.0, "help": "timeout of a job, in seconds"},
        "poll": {"type": float, "default": 0.25, "help": "seconds between polls of a job"},
    },
    "when a run fails": {
        "max-failure-ratio": {
            "type": float,
            "default": 0.0,
            "help": "maximum for any kind of request",
        },
        "max-p95-ms": {"type": float, "help": "maximum for any kind of request; unset: none"},
        "min-requests": {
            "type": int,
            "default": 1,
            "help": "successful requests that each user needs",
        },
        "allow-refused": {"action": "store_true", "help": "count a 429, but not as a failure"},
    },
    "results": {
        "summary": {"metavar": "FILE", "help": "the outcome as JSON"},
    },
}


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a parser of ConfigArgParse, such as Locust's."""
    for title, group in _OPTIONS.items():
        group_parser = parser.add_argument_group(title)
        for name, settings in group.items():
            variable = f"DFK_{name.upper().replace('-', '_')}"
            group_parser.add_argument(f"--{name}", env_var=variable, **settings)


def to_arguments(options: argparse.Namespace) -> list[str]:
    """Returns the options as command line arguments."""
    arguments: list[str] = []
    for name in (name for group in _OPTIONS.values() for name in group):
        value = getattr(options, name.replace("-", "_"))
        if value is True:
            arguments.append(f"--{name}")
        elif value is not None and value is not False:
            arguments.append(f"--{name}={value}")
    return arguments


def plan(options: argparse.Namespace) -> Plan:
    """Returns the plan. Raises `ValueError`."""
    return Plan(options.shape or "steady", options.peak, options.base, options.duration)


def gates(options: argparse.Namespace) -> Gates:
    """Returns the gates. Raises `ValueError`."""
    return Gates(options.max_failure_ratio, options.max_p95_ms, options.min_requests)


def validate(options: argparse.Namespace) -> None:
    """Raises `ValueError` for a number out of range."""
    plan(options), gates(options)
    positive: Sequence[str] = (
        "batch",
        "live_fps",
        "live_seconds",
        "timeout",
        "job_timeout",
        "poll",
    )
    for name in positive:
        if not getattr(options, name) > 0:
            raise ValueError(f"{name} must be above 0")
    if options.requests is not None and options.requests < 1:
        raise ValueError(f"requests ({options.requests}) must be at least 1")
    if options.pause < 0:
        raise ValueError("pause must be 0 or above")
