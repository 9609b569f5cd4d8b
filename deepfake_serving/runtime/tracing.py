"""OpenTelemetry spans of requests and jobs, exported to OTEL_EXPORTER_OTLP_ENDPOINT.

Without that variable there are no spans, the SDK is not imported, and a client's `traceparent` is
forwarded unchanged (https://www.w3.org/TR/trace-context/). The SDK reads its other OTEL_ variables
itself: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and so on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from deepfake_serving.runtime.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

_PROPAGATOR = TraceContextTextMapPropagator()
_tracer: Tracer | None = None
_LAST_EXPORT_S = 3.0


@contextmanager
def exported_traces(service: str) -> Iterator[None]:
    """Exports the spans made in the context, under OTEL_SERVICE_NAME or else `service`.

    Its end waits some seconds for the last ones: the SDK would wait half a minute for a collector
    that is down.
    """
    global _tracer
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME", service)
    resource = Resource.create({"service.name": name, "service.version": VERSION})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer(service)
    try:
        yield
    finally:
        _tracer = None
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_LAST_EXPORT_S)


def valid_traceparent(header: str | None) -> str | None:
    """Returns the header if it names a trace, else None."""
    if not header or not header.isprintable():
        return None
    return header if _parent(header).is_valid else None


def begin(name: str, traceparent: str | None) -> Span | None:
    """Starts a request's span as a child of its client's; None without tracing."""
    if _tracer is None:
        return None
    from opentelemetry.trace import SpanKind

    return _tracer.start_span(name, context=_context(traceparent), kind=SpanKind.SERVER)


def traceparent_of(span: Span) -> str:
    """Returns the header for requests made within a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, set_span_in_context(span))
    return carrier["traceparent"]


def end(span: Span, name: str, status: int, fields: Mapping[str, Any]) -> None:
    """Ends a request's span, with its route, its status and the fields of its log line."""
    from opentelemetry.trace import StatusCode

    span.update_name(name)
    span.set_attribute("http.route", name)
    span.set_attribute("http.response.status_code", status)
    for key, value in _flat(fields):
        span.set_attribute(f"deepfake.{key}", value)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields what an attribute can hold: no None, and the members of a dictionary one by one."""
    for key, value in fields.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        elif value is not None:
            yield key, value


@contextmanager
def work(
    name: str, traceparent: str | None, fields: Mapping[str, str | int]
) -> Iterator[str | None]:
    """Wraps work that a request deferred, such as a job, in a span that is a child of that request.

    Yields the `traceparent` for requests that the work makes.
    """
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
    """Records a worker's stages, which end now, as consecutive spans.

    The worker measures durations only, for a whole batch; start times are inferred.
    """
    if _tracer is None or not _parent(traceparent).trace_flags.sampled:
        return
    at = time.time_ns() - round(sum(timings_ms.values()) * 1e6)
    for stage, ms in timings_ms.items():
        span = _tracer.start_span(stage, context=_context(traceparent), start_time=at)
        at += round(ms * 1e6)
        span.end(at)


def _context(traceparent: str | None) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {})


def _parent(traceparent: str | None) -> SpanContext:
    return get_current_span(_context(traceparent)).get_span_context()
