"""pyarrow ships no types of its own: everything in it is Any to the checker, and typed again at our own boundaries."""

from typing import Any

def __getattr__(name: str) -> Any: ...
