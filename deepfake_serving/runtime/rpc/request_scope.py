"""The scope of one gRPC call, like the HTTP middleware for an HTTP request."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.runtime.metrics import ServerMetrics
from deepfake_serving.runtime.request_scope import CANCELLED, RequestScope, as_problem
from deepfake_serving.runtime.rpc.errors import abort


class GrpcRequestScope:
    """Runs one call in a `RequestScope`, and ends it with the problem that the block raises."""

    def __init__(
        self,
        route: str,
        context: Any,
        metrics: ServerMetrics,
        *,
        message_id: str | None = None,
        recorded: bool = True,
    ) -> None:
        """Takes the id from the metadata, else from the message.

        Args:
            recorded: whether the call is counted and logged; probes are not.
        """
        self._context, self._metrics, self._recorded = context, metrics, recorded
        self.metadata = text_metadata(context)
        request_id = self.metadata.get("x-request-id") or message_id
        self.request_scope = RequestScope(route, request_id, self.metadata.get("traceparent"))

    def use_message_id(self, message_id: str) -> None:
        """Takes the id of a message that was read within the scope, unless the metadata has one."""
        if "x-request-id" not in self.metadata:
            self.request_scope.use_id(message_id)
            self.send_metadata()

    def send_metadata(self, **more: str) -> None:
        """Sends the id after the response, and more."""
        entries = {"x-request-id": self.request_scope.id, **more}
        self._context.set_trailing_metadata(tuple(entries.items()))

    async def __aenter__(self) -> RequestScope:
        self.send_metadata()
        return self.request_scope

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        problem = as_problem(error, self.request_scope) if isinstance(error, Exception) else None
        if self._recorded:
            status = CANCELLED if problem is None else problem.status
            self.request_scope.end(200 if error is None else status, self._metrics, problem)
        forget_traceback(error)  # an aborted call keeps its exception, and the exception the call
        del tb
        if problem is not None:
            await abort(self._context, problem, self.request_scope.id)


def text_metadata(context: Any) -> dict[str, str]:
    """Returns a call's metadata without the binary entries."""
    return {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
