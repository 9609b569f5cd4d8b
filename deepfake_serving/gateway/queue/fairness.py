"""The order in which keys take turns in a queue: round robin, and within a key the oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

WINDOW = 5000
"""Due jobs that are ordered, the longest due ones."""


def in_turns(due: Iterable[tuple[str, str]], served: Mapping[str, float]) -> list[str]:
    """Orders jobs so that one owner's many do not delay another's few.

    Args:
        due: ids and owners ("" for none), the longest due first.
        served: when each owner's last job was claimed; one that is not in it comes first.

    Returns:
        The first job of each owner, then the second of each, and so on. The owner that was served
        least recently comes first.
    """
    by_owner: dict[str, list[str]] = {}
    for job_id, owner in due:
        by_owner.setdefault(owner, []).append(job_id)
    turns = [by_owner[owner] for owner in sorted(by_owner, key=lambda o: served.get(o, 0.0))]
    longest = max(map(len, turns), default=0)
    return [jobs[turn] for turn in range(longest) for jobs in turns if turn < len(jobs)]
