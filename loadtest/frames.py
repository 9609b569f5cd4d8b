"""Accounting of live stream frames: each gets a response or is counted as dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loadtest.responses import InvalidResponse, problem


@dataclass(slots=True)
class Frames:
    """Frames by number, from 1, with the time each was sent. Times are seconds of one clock.

    Frames are processed in order, so a response also settles all frames before it.
    """

    sent: int = 0
    completed: int = 0
    dropped: int = 0
    """The server's count."""
    _waiting: dict[int, float] = field(default_factory=dict)
    _skipped: int = 0

    def send(self, now: float) -> int:
        """Registers a frame to be sent. Returns its number."""
        self.sent += 1
        self._waiting[self.sent] = now
        return self.sent

    def receive(self, message: Any, now: float) -> tuple[int, float, list[float]]:
        """Returns a message's frame number, its age, and the ages of frames dropped before it.

        Raises:
            Refused, InvalidResponse: the message ends the stream, or its frame is not pending.
        """
        if not isinstance(message, dict):
            raise InvalidResponse("not a JSON object")
        if "frame" not in message and "problem" in message:
            raise problem(message["problem"])
        number, dropped = message.get("frame"), message.get("dropped")
        if number not in self._waiting or not isinstance(dropped, int):
            raise InvalidResponse("a message about a frame that is not pending")
        earlier = [each for each in self._waiting if each < number]
        ages = [now - self._waiting.pop(each) for each in earlier]
        self._skipped += len(earlier)
        if dropped < self._skipped or dropped < self.dropped:
            raise InvalidResponse("a frame got no response and was not counted as dropped")
        self.completed, self.dropped = self.completed + 1, dropped
        return number, now - self._waiting.pop(number), ages

    @property
    def complete(self) -> bool:
        """Whether every frame is settled."""
        return not self._waiting

    def end(self) -> None:
        """Raises `InvalidResponse` unless every frame got a response or is counted as dropped."""
        if self._waiting:
            raise InvalidResponse("the stream ended before all responses arrived")
        if self.completed + self.dropped != self.sent:
            raise InvalidResponse("the count of dropped frames is too high")
