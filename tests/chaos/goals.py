"""Goals: the failures that a client may see of an event."""

from __future__ import annotations

from enum import Enum


class Loss(Enum):
    """The requests that an event may cost."""

    NONE = "no request"
    IN_FLIGHT = "connections to the pod; one retry after two seconds succeeds"
    SENT = "requests to the pod, which responds late or never; one retry succeeds"


RETRY_AFTER_S = 2.0
"""The pause before a client's one retry. A dead pod gets new connections until kubelet has noticed
and every node has new rules for the Service, which takes one to two seconds."""
