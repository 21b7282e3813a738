"""Where chunks are kept and searched. Access is a filter that always exists; what is found is fused by rank or by score, and never shows a raw score."""

from pipelines.index.store.filters import Filters, access_filter, condition
from pipelines.index.store.lance import EXACT_LIMIT, LanceStore
from pipelines.index.store.protocol import Allow, FilterMode, Found, IndexStore, Ranked, Weights

__all__ = [
    "EXACT_LIMIT",
    "Allow",
    "FilterMode",
    "Filters",
    "Found",
    "IndexStore",
    "LanceStore",
    "Ranked",
    "Weights",
    "access_filter",
    "condition",
]
