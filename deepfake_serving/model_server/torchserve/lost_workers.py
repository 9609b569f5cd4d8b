"""Workers that end by themselves: crashed, or killed for want of memory.

TorchServe starts another within seconds, so that the number of workers hardly shows them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection

import psutil
import structlog

from deepfake_serving.model_server.limits.resources import oom_kills

log = structlog.get_logger(__name__)


class LostWorkers:
    """Knows the processes of all workers, and reports those that have ended."""

    def __init__(self, on_lost: Callable[[str], object]) -> None:
        """`on_lost` is called with the model's name for each of them."""
        self._on_lost = on_lost
        self._known: defaultdict[str, set[int]] = defaultdict(set)

    def check(self, model: str, ready: Collection[int], *, expected: bool) -> None:
        """Checks the processes that were ready once.

        Args:
            ready: the model's workers that are ready now.
            expected: whether one may have been ended on purpose; it is not reported.
        """
        known = self._known[model] | set(ready)
        ended = {pid for pid in known if not _runs(pid)}
        self._known[model] = known - ended
        for pid in () if expected else ended:
            log.warning("worker ended", model=model, pid=pid, oom_kills=oom_kills())
            self._on_lost(model)

    def forget(self) -> None:
        """Forgets all workers, which end with TorchServe."""
        self._known.clear()


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
