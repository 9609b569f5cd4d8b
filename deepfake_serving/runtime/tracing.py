"""Spans of requests and jobs, by OpenTelemetry: sent where OTEL_EXPORTER_OTLP_ENDPOINT names a
collector.

Without it nothing is imported and nothing is made; a caller's `traceparent` is then passed on as it
came (https://www.w3.org/TR/trace-context/). The other OTEL_ variables are the SDK's own:
OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and so on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deepfake_serving.runtime.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_tracer: Tracer | None = None


def configure_tracing(service: str) -> None:
    """Sends spans from now on, as `service` unless OTEL_SERVICE_NAME says otherwise."""
    global _tracer
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME", service)
    resource = Resource.create({"service.name": name, "service.version": VERSION})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer(service)


def begin(name: str, traceparent: str | None) -> Span | None:
    """A request's span, below its caller's; None where nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry.trace import SpanKind

    return _tracer.start_span(name, context=_context(traceparent), kind=SpanKind.SERVER)


def traceparent_of(span: Span) -> str:
    """What those below are told."""
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def end(span: Span, name: str, status: int, fields: Mapping[str, Any]) -> None:
    """Ends a request's span: its route, its status, and what the log says of it."""
    from opentelemetry.trace import StatusCode

    span.update_name(name)
    span.set_attribute("http.route", name)
    span.set_attribute("http.response.status_code", status)
    for key, value in fields.items():
        span.set_attribute(f"deepfake.{key}", value)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()


@contextmanager
def work(
    name: str, traceparent: str | None, fields: Mapping[str, str | int]
) -> Iterator[str | None]:
    """The span of work that a request has left to be done later, below that request; gives what
    those below are told."""
    if _tracer is None:
        yield traceparent
        return
    from opentelemetry.trace import SpanKind, StatusCode

    span = _tracer.start_span(
        name, context=_context(traceparent), kind=SpanKind.CONSUMER, attributes=fields
    )
    try:
        yield traceparent_of(span)
    except Exception as error:
        span.set_status(StatusCode.ERROR, str(error))
        raise
    finally:
        span.end()


def stages(timings_ms: Mapping[str, float], traceparent: str | None) -> None:
    """The stages of a worker, which end now, as spans one after the other.

    The worker measures how long each took, for a whole batch; when each began is inferred.
    """
    if _tracer is None or not traceparent or traceparent.endswith("-00"):
        return
    at = time.time_ns() - round(sum(timings_ms.values()) * 1e6)
    for stage, ms in timings_ms.items():
        span = _tracer.start_span(stage, context=_context(traceparent), start_time=at)
        at += round(ms * 1e6)
        span.end(at)


def _context(traceparent: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": traceparent} if traceparent else {}
    return TraceContextTextMapPropagator().extract(carrier)
