"""A collector that is down delays no end, and log fields that are no attributes do no harm."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from deepfake_serving.runtime import tracing


@pytest.fixture
def silent_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv(
            "OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}"
        )
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
        yield


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("silent_collector")
def test_the_end_does_not_wait_for_a_collector_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "_LAST_EXPORT_S", 0.1)
    joined: list[float | None] = []
    join = threading.Thread.join

    def noted(thread: Any, timeout: float | None = None) -> None:
        joined.append(timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted)
    with tracing.exported_traces("test"):
        span = tracing.begin("/", None)
        assert span is not None
        tracing.end(span, "/", 200, {})
    assert 0.1 in joined
    assert tracing.begin("/", None) is None


def test_fields_of_the_log_line_become_attributes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exported: list[ReadableSpan] = []

    def export(_: Any, spans: list[ReadableSpan]) -> SpanExportResult:
        exported.extend(spans)
        return SpanExportResult.SUCCESS

    monkeypatch.setattr(OTLPSpanExporter, "export", export)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with tracing.exported_traces("test"):
        span = tracing.begin("/", None)
        assert span is not None
        fields = {"id": "a", "model": None, "problems": {"internal": 2}}
        tracing.end(span, "/", 500, fields)
    (only,) = exported
    attributes = dict(only.attributes or {})
    assert attributes["deepfake.id"] == "a"
    assert attributes["deepfake.problems.internal"] == 2
    assert "deepfake.model" not in attributes
    # The exporter of another test may still log that its collector is gone.
    assert not [each for each in caplog.records if each.name == "opentelemetry.attributes"]
