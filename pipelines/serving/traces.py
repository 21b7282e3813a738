"""The trace an answer belongs to (W3C Trace Context), and the spans that say how long its parts took. No text and no person stands in any of them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True)
class Trace:
    """``trace_id`` (32 hex digits) is what answer, audit and spans share; ``parent`` the caller's span (16 hex digits, "" where none came)."""

    trace_id: str
    parent: str = ""
    sampled: bool = True


def trace_of(traceparent: str | None) -> Trace:
    """The trace that a request belongs to: the caller's where its ``traceparent`` is well formed, else a new one (Trace Context, 3.2.2)."""
    found = _PARENT.fullmatch((traceparent or "").strip())
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return Trace(secrets.token_hex(16))
    return Trace(found[1], found[2], bool(int(found[3], 16) & 1))


class Spans:
    """Makes spans where an exporter is configured, and nothing where none is."""

    def __init__(self, exporter: SpanExporter | None = None, *, service: str = "fortnight", at_once: bool = False) -> None:
        """``at_once`` exports each span as it ends, for tests; else they are sent in batches behind the answers' back."""
        self._tracer: Tracer | None = None
        self._stop = lambda: None
        if exporter is not None:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

            provider = TracerProvider(resource=Resource.create({"service.name": service}))
            provider.add_span_processor(SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter))
            self._tracer, self._stop = provider.get_tracer("fortnight.serving"), provider.shutdown

    def close(self) -> None:
        """Send what waits."""
        self._stop()

    @contextmanager
    def span(self, name: str, trace: Trace, **attributes: str | int | float | bool) -> Generator[Span | None]:
        """One retrieval. Attributes are ids, numbers and codes only. An error marks the span by its type; its text may hold a document's."""
        if self._tracer is None:
            yield None
            return
        from opentelemetry.trace import (
            NonRecordingSpan,
            SpanContext,
            SpanKind,
            Status,
            StatusCode,
            TraceFlags,
            set_span_in_context,
        )

        # The parent of a new trace is no span of anybody's: it only carries the id that the answer will name.
        parent = SpanContext(int(trace.trace_id, 16), int(trace.parent or secrets.token_hex(8), 16), True, TraceFlags(int(trace.sampled)))
        context = set_span_in_context(NonRecordingSpan(parent))
        with self._tracer.start_as_current_span(
            name, context, SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", getattr(error, "code", type(error).__name__))
                span.set_status(Status(StatusCode.ERROR))
                raise


def otlp(endpoint: str) -> SpanExporter:
    """Sends spans by OTLP over HTTP to ``endpoint`` (``https://collector.example/v1/traces``)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint)
