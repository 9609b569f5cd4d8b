"""Fairness between API keys: the order of a queue, and of what makes room where space is limited.

In a queue keys take turns. Room is made by the key that uses the most. Within a key, the oldest
comes first.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

Item = TypeVar("Item")

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


def to_make_room(stored: Iterable[tuple[Item | None, str | None, int]]) -> Iterator[Item]:
    """Yields items in the order of their deletion: always the oldest of the owner whose remaining
    ones have the largest size in all, so that no owner displaces what others have stored.

    Args:
        stored: items, their owners and sizes, the oldest first. None is an item that stays, and
            counts for its owner.
    """
    used, items = Counter[str | None](), defaultdict[str | None, deque[tuple[Item, int]]](deque)
    for item, owner, size in stored:
        used[owner] += size
        if item is not None:
            items[owner].append((item, size))
    while items:
        owner = max(items, key=lambda owner: used[owner])
        item, size = items[owner].popleft()
        used[owner] -= size
        if not items[owner]:
            del items[owner]
        yield item
