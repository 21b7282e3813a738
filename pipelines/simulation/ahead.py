"""What days need and takes seconds to load, loaded while the sandbox starts."""

from __future__ import annotations

import importlib
from threading import Thread

#: In the order in which a lived day would come to them.
_SLOW = ("dagster", "deltalake", "great_expectations.expectations", "pandas")


def load_ahead() -> None:
    """Begin; whoever imports one of these meanwhile waits for it, as Python has it. What cannot be loaded fails there, where it is needed."""
    Thread(target=_load, name="ahead", daemon=True).start()


def _load() -> None:
    from pipelines.index.store import engine

    for name in _SLOW:
        importlib.import_module(name)
    engine.load()
