"""Putting a service together from a project, and running it until it is told to stop."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from connectors.errors import FixConfiguration
from expectations.durations import duration
from pipelines.clock import Clock
from pipelines.index.models import embedder_of
from pipelines.project import Project
from pipelines.serving.audit.log import audit_of
from pipelines.serving.metrics import Metrics
from pipelines.serving.reception import Reception
from pipelines.serving.traces import Spans, otlp

if TYPE_CHECKING:
    import uvicorn

    from pipelines.index.embedding import CachedEmbedder, Vectors
    from pipelines.serving.callers.tokens import Tokens

#: Questions after which the embedder forgets them: else it remembers every one it was ever asked.
FRESH_AFTER = 5_000
#: Connections that wait to be taken while all threads answer.
BACKLOG = 2_048


class Queries:
    """The project's embedder, for a service that runs for months: what it remembers of questions stays bounded."""

    def __init__(self, inner: CachedEmbedder, fresh_after: int = FRESH_AFTER) -> None:
        self._inner, self._fresh_after = inner, fresh_after
        self.model_id, self.revision, self.dim = inner.model_id, inner.revision, inner.dim

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        found = self._inner.embed_query(texts)
        if self._inner.remembered > self._fresh_after:
            self._inner.forget()
        return found

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        return self._inner.embed_passage(texts)


def reception_of(project: Project, index: str, clock: Clock) -> Reception:
    """Everything a project says of its service, opened."""
    # Questions come side by side: the offline model's threads would only wait for each other. Read when its library loads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    spans = Spans(otlp(project.file.serving.otlp)) if project.file.serving.otlp else Spans()
    embedder = Queries(embedder_of(project, index=index))
    return Reception(project, index, clock, embedder=embedder, log=audit_of(project), metrics=Metrics(index), spans=spans)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any free one. Raises FixConfiguration where it is taken, or is none of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise FixConfiguration("serving.port_taken", host=host, port=port) from error
        raise FixConfiguration("serving.cannot_listen", host=host, port=port, what=error.strerror or type(error).__name__) from error
    return made


def server_of(reception: Reception, tokens: Tokens, url: str) -> uvicorn.Server:
    """Everything that serving needs, loaded. It serves until a signal; then new questions are refused, and those under way end within ``drain``."""
    import uvicorn

    from pipelines.serving.doors.http import app_of

    class Draining(uvicorn.Server):
        def handle_exit(self, sig: int, frame: object) -> None:
            reception.drain()
            super().handle_exit(sig, frame)  # pyright: ignore[reportArgumentType]  (a frame or None, as signal gives it)

    seconds = duration(reception.project.file.serving.drain).total_seconds()
    # No access log: addresses hold ids of pieces, and the audit says who asked.
    config = uvicorn.Config(
        app_of(reception, tokens, url), log_level="warning", access_log=False, timeout_graceful_shutdown=round(seconds), server_header=False
    )
    return Draining(config)
