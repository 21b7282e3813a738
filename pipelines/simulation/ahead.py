"""What days need and takes seconds to load, loaded while the sandbox starts."""

from __future__ import annotations

from threading import Thread


def load_ahead() -> None:
    """Begin; whoever imports one of these meanwhile waits for it, as Python has it. What cannot be loaded fails there, where it is needed."""
    Thread(target=_load, name="ahead", daemon=True).start()


def _load() -> None:
    # The order in which a lived day would come to them.
    import dagster
    import deltalake
    import great_expectations.expectations as rules
    import pandas

    from pipelines.index.store import engine

    del dagster, deltalake, rules, pandas
    engine.load()
