"""What a monitoring system may see of serving: counts, seconds and ages by index, action and code. Never by person, never of text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

#: Seconds.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One service's own registry, so that two in one process do not mix."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, index: str) -> None:
        self.registry = CollectorRegistry()
        self._index = index
        self._answers = Counter(
            "fortnight_answers",
            "Questions by how they ended (a code of the catalogue).",
            ["index", "action", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "fortnight_answer_seconds",
            "Seconds from a verified caller to an answer that may leave.",
            ["index", "action"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._access_age = Gauge(
            "fortnight_access_age_seconds", "Age of the oldest access that answers are checked against.", ["index"], registry=self.registry
        )
        self._hooks = Counter("fortnight_hooks", "Webhooks by how they were answered.", ["system", "outcome"], registry=self.registry)
        self._in_flight = Gauge("fortnight_questions_in_flight", "Questions under way.", ["index"], registry=self.registry)

    def ended(self, action: str, outcome: str, seconds: float) -> None:
        self._answers.labels(self._index, action, outcome).inc()
        self._seconds.labels(self._index, action).observe(seconds)

    def refused(self, action: str, outcome: str) -> None:
        """A request that never became a question: no token, no budget."""
        self._answers.labels(self._index, action, outcome).inc()

    def access_age(self, seconds: float) -> None:
        self._access_age.labels(self._index).set(seconds)

    def hook(self, system: str, outcome: str) -> None:
        """``system`` is one of the project's: what strangers make up is counted nowhere."""
        self._hooks.labels(system, outcome).inc()

    def in_flight(self, by: int) -> None:
        self._in_flight.labels(self._index).inc(by)

    def text(self) -> bytes:
        """The Prometheus exposition format."""
        return generate_latest(self.registry)
