"""What became of the frames of a live stream: each is answered, or counted as dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loadtest.responses import Wrong, problem


@dataclass(slots=True)
class Frames:
    """Frames by number, from 1, and when each was sent. Times are seconds of one clock.

    Frames are judged in order, so an answer also tells what became of those before it.
    """

    sent: int = 0
    answered: int = 0
    dropped: int = 0
    """As the server counts."""
    _waiting: dict[int, float] = field(default_factory=dict)
    _skipped: int = 0

    def send(self, now: float) -> int:
        """The number of a frame that is about to be sent."""
        self.sent += 1
        self._waiting[self.sent] = now
        return self.sent

    def answer(self, message: Any, now: float) -> tuple[int, float, list[float]]:
        """The frame that a message is about, its age, and the ages of those dropped before it.

        Raises:
            Refused, Wrong: the message ends the stream, or is about no frame that waits.
        """
        if not isinstance(message, dict):
            raise Wrong("not a JSON object")
        if "frame" not in message and "problem" in message:
            raise problem(message["problem"])
        number, dropped = message.get("frame"), message.get("dropped")
        if number not in self._waiting or not isinstance(dropped, int):
            raise Wrong("a message about no frame that waits")
        passed = [each for each in self._waiting if each < number]
        ages = [now - self._waiting.pop(each) for each in passed]
        self._skipped += len(passed)
        if dropped < self._skipped or dropped < self.dropped:
            raise Wrong("a frame was neither answered nor counted as dropped")
        self.answered, self.dropped = self.answered + 1, dropped
        return number, now - self._waiting.pop(number), ages

    @property
    def complete(self) -> bool:
        """Whether it is known of every frame what became of it."""
        return not self._waiting

    def end(self) -> None:
        """Raises `Wrong` unless every frame was answered, or is counted as dropped."""
        if self._waiting:
            raise Wrong("the stream ended before all frames were answered")
        if self.answered + self.dropped != self.sent:
            raise Wrong("more frames counted as dropped than were")
