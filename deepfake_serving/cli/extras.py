"""Commands whose packages are an extra of the distribution."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_OURS = ("deepfake_serving", "model_handlers")


class MissingExtra(Exception):
    """A command needs a package that is not installed; the message names the extra to install."""

    def __init__(self, module: str, extra: str) -> None:
        pip = f"{shlex.quote(sys.executable)} -m pip install"
        super().__init__(f'{module} is not installed: {pip} "deepfake-serving[{extra}]"')


def requires(extra: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a command raise `MissingExtra` if a third-party package can't be imported."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except ModuleNotFoundError as error:
                module = (error.name or "").partition(".")[0]
                if not module or module in _OURS:
                    raise
                raise MissingExtra(module, extra) from error

        return run

    return decorate
