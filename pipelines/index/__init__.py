"""From published rows to an immutable, numbered release: documents, chunks, embedding, store, releases. No Dagster, no clock, no tables of landing."""
