"""A kind of checkpoint: what it is, and what turns its tensors into a network's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from deepfake_serving.packaging.checkpoints.state import CheckpointError, State


@dataclass(frozen=True, slots=True)
class Kind:
    """A published format of weights.

    Attributes:
        summary: the network and where it was published, in one line.
        repository: the authors' code.
        licence: SPDX expression of the published weights; None if nobody states one.
        describe: the manifest's entries (network, input, crop, fake_class), for a state dict and
            the architecture that the user names, if any.
        rename: the state dict with the network's names, without the prefix `body.`.
        superfluous: regular expression of a name → why the network does without it.
        digests: sha256 → name of the published file.
        join: the state dict of one or several files; None if the weights are always one file.
    """

    summary: str
    repository: str
    licence: str | None
    describe: Callable[[State, str | None], dict[str, Any]]
    rename: Callable[[State], State]
    superfluous: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    join: Callable[[Sequence[State]], State] | None = None


class Source:
    """A state dict of which it is known what was taken, for renames that pick tensors by name."""

    def __init__(self, state: State) -> None:
        self.state, self.taken = state, set[str]()

    def take(self, name: str) -> Tensor:
        """Returns a tensor.

        Raises:
            CheckpointError: it is missing.
        """
        if name not in self.state:
            raise CheckpointError(f"the parameters differ from the network's; missing: {name}")
        self.taken.add(name)
        return self.state[name]

    def module(self, old: str, new: str) -> State:
        """Returns all tensors of a module, moved to another name."""
        names = [name for name in self.state if name.startswith(f"{old}.")]
        return {f"{new}.{name.removeprefix(old + '.')}": self.take(name) for name in names}

    def require_all_taken(self) -> None:
        """Raises `CheckpointError` if tensors are left."""
        if left := sorted(set(self.state) - self.taken):
            raise CheckpointError(
                f"the parameters differ from the network's; unexpected: {', '.join(left)}"
            )


def always(**entries: Any) -> Callable[[State, str | None], dict[str, Any]]:
    """Returns a `describe` for kinds with one network."""
    return lambda state, architecture: entries


def prefixes(**replacements: str) -> Callable[[State], State]:
    """Returns a `rename` that replaces the first matching prefix; keywords have _ for a dot."""
    pairs = {old.replace("__", "."): new for old, new in replacements.items()}
    return lambda state: {_renamed(name, pairs): value for name, value in state.items()}


def _renamed(name: str, pairs: Mapping[str, str]) -> str:
    for old, new in pairs.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
