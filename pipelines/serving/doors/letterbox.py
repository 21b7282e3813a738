"""Where notes wait to be written: however many webhooks come, each system's note is written once in some seconds, and the last is never left out."""

from __future__ import annotations

import threading
from collections.abc import Callable

from connectors.errors import FortnightError
from pipelines.pull.notes import Kind

#: Seconds between two writings. A sensor looks for notes every half minute.
SPACING = 5.0


class Letterbox:
    """``write`` writes one note; ``failed`` hears of each that the storage refused, which is tried again. Safe to use from several threads.

    A thread of its own writes, so whoever sends webhooks never waits for the storage. A process that is killed takes some seconds of
    notes with it: the sensor's own looks see those changes.
    """

    def __init__(self, write: Callable[[Kind, str], None], failed: Callable[[str], None], spacing: float = SPACING) -> None:
        self._write, self._failed, self._spacing = write, failed, spacing
        self._lock = threading.Lock()
        self._waiting: set[tuple[Kind, str]] = set()
        self._closing = threading.Event()
        self._writer: threading.Thread | None = None

    def leave(self, kind: Kind, system: str) -> None:
        """Returns at once."""
        with self._lock:
            self._waiting.add((kind, system))
            if self._writer is None or not self._writer.is_alive():
                self._writer = threading.Thread(target=self._run, name="notes", daemon=True)
                self._writer.start()

    def close(self) -> None:
        """What waits is written first."""
        # Held here: the writer lets go of itself as it ends.
        with self._lock:
            writer = self._writer
        self._closing.set()
        if writer is not None:
            writer.join()
        self._flush()

    def _run(self) -> None:
        """Until nothing has waited for a whole pause; who comes then starts another."""
        while True:
            self._flush()
            closing = self._closing.wait(self._spacing)
            with self._lock:
                if closing or not self._waiting:
                    self._writer = None
                    return

    def _flush(self) -> None:
        from obstore.exceptions import BaseError

        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for kind, system in sorted(waiting):
            try:
                self._write(kind, system)
            except (OSError, BaseError, FortnightError):
                self._failed(system)
                with self._lock:
                    self._waiting.add((kind, system))
