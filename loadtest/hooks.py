"""Locust event hooks: options, shape and media before a run, gates and report after it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events, log
from locust.runners import WorkerRunner

from loadtest import media, options, report
from loadtest.gates import Row
from loadtest.shapes import Plan
from loadtest.users import GatewayUser

_MAX_SPAWN_RATE = 100.0


class Planned(LoadTestShape):
    """Adapts a plan to Locust. The run ends early once `completed` returns true."""

    def __init__(self, plan: Plan, completed: Callable[[], bool]) -> None:
        super().__init__()
        self._plan, self._completed = plan, completed

    def tick(self) -> tuple[int, float] | None:
        if self._completed():
            return None
        users = self._plan.users(self.get_run_time())
        return None if users is None else (users, min(float(self._plan.peak), _MAX_SPAWN_RATE))


@events.init_command_line_parser.add_listener
def _add_options(parser: argparse.ArgumentParser) -> None:
    options.add(parser)


@events.init.add_listener
def _prepare(environment: Any, **_: Any) -> None:
    """Loads media and the shape. Locust reports an exception and exits."""
    chosen = environment.parsed_options
    options.validate(chosen)
    GatewayUser.media = media.load(Path(chosen.media)) if chosen.media else media.generate()
    if chosen.shape:
        completed = partial(_completed, environment, chosen.requests)
        environment.shape_class = Planned(options.plan(chosen), completed)
        environment.shape_class.runner = environment.runner


@events.quitting.add_listener
def _finish(environment: Any, **_: Any) -> None:
    """Reports and sets the exit code: 0 passed, 1 failed. Runs from the web page are not gated."""
    chosen = environment.parsed_options
    if isinstance(environment.runner, WorkerRunner) or not chosen.headless:
        return
    outcome = _outcome(environment)
    environment.process_exit_code = 0 if outcome.passed else 1
    print(report.table(outcome), flush=True)
    if chosen.summary:
        report.write(outcome, Path(chosen.summary))


def _completed(environment: Any, requests: int | None) -> bool:
    """Returns whether the main request of each kind of user succeeded that many times."""
    if requests is None:
        return False
    entries = environment.stats.entries
    main = [entries.get((name, kind)) for kind, name in _measures(environment).values()]
    return all(e is not None and e.num_requests - e.num_failures >= requests for e in main)


def _measures(environment: Any) -> dict[str, tuple[str, str]]:
    """Returns kind and name of each user's main request."""
    return {each.__name__: each.measure for each in environment.user_classes}


def _outcome(environment: Any) -> report.Outcome:
    chosen, runner = environment.parsed_options, environment.runner
    rows = [_row(entry) for _, entry in sorted(environment.stats.entries.items())]
    measures = _measures(environment)
    crashes = sum(each["count"] for each in runner.exceptions.values())
    crashes += int(log.unhandled_greenlet_exception)
    return report.Outcome(
        rows,
        options.gates(chosen).reasons(rows, measures, crashes),
        {
            f"{error.method} {error.name}: {error.error}": error.occurrences
            for error in environment.stats.errors.values()
        },
        {
            "url": environment.host,
            "users": sorted(measures),
            "options": options.to_arguments(chosen),
        },
    )


def _row(entry: Any) -> Row:
    p50, p95, p99 = map(entry.get_response_time_percentile, (0.5, 0.95, 0.99))
    return Row(
        entry.method,
        entry.name,
        entry.num_requests,
        entry.num_failures,
        round(entry.total_rps, 2),
        p50,
        p95,
        p99,
        round(entry.max_response_time, 1),
    )
