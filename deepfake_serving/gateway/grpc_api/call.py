"""One gRPC call as the service methods see it: its request scope, metadata and deadline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.upstream.client import RequestContext
from deepfake_serving.runtime.request_scope import RequestScope


class StreamStopped(Exception):
    """A stream ends because the gateway stops: the call may be continued at another gateway."""


@dataclass(frozen=True, slots=True)
class Call:
    """The context of a service method. `remaining_s` is None without a deadline."""

    scope: RequestScope
    metadata: Mapping[str, str]
    remaining_s: float | None
    principal: Principal

    def count_images(self, gateway: Gateway, count: int) -> None:
        """Counts images that the call analyses, for the usage of its key."""
        gateway.authenticator.usage.add(self.principal.id, "images", count)

    def context(self, gateway: Gateway) -> RequestContext:
        """Returns the context of the call's upstream requests."""
        return gateway.request_context(self.scope, self.remaining_s)
