"""The events, by name."""

from __future__ import annotations

from tests.chaos.events.base import Event
from tests.chaos.events.graceful import GRACEFUL
from tests.chaos.events.kills import KILLS
from tests.chaos.events.outages import OUTAGES

EVENTS: dict[str, Event] = {event.name: event for event in (*GRACEFUL, *KILLS, *OUTAGES)}
