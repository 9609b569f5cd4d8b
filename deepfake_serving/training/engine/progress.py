"""The progress bar of a training run."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LOSS_WINDOW = 50


class TrainingProgress:
    """Shows steps done, crops per second and the mean loss of the last steps."""

    def __init__(self, total: int, done: int, batch_size: int, visible: bool) -> None:
        self._first, self._batch_size = done, batch_size
        self._started = time.monotonic()
        self._losses: deque[float] = deque(maxlen=_LOSS_WINDOW)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            disable=not visible,
        )
        self._task = self._bar.add_task("train", total=total, completed=done, rate="", loss="")

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, done: int, loss: float) -> None:
        """Shows that `done` steps are done, the last of them with `loss`."""
        self._losses.append(loss)
        elapsed = time.monotonic() - self._started
        rate = (done - self._first) * self._batch_size / elapsed
        mean_loss = sum(self._losses) / len(self._losses)
        self._bar.update(
            self._task, completed=done, rate=f"{rate:.1f} crops/s", loss=f"loss {mean_loss:.3f}"
        )
